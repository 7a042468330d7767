//! `[mail]`

use std::path::PathBuf;

use super::reader::Reader;
use crate::domain::secret::Secret;

/// How mail leaves.
#[derive(Debug, Clone)]
pub struct Mail {
    /// The server, `smtp://`, `smtps://` or `smtp+starttls://`, with the password inside.
    pub smtp_url: Option<Secret>,
    /// Who mail is from; always there when `smtp_url` is.
    pub from: Option<String>,
    /// Templates that replace ours.
    pub templates_dir: Option<PathBuf>,
}

impl Mail {
    pub(super) fn read(reader: &mut Reader) -> Self {
        let mail = Self {
            smtp_url: reader.secret("mail.smtp_url"),
            from: reader.optional("mail.from"),
            templates_dir: reader.optional("mail.templates_dir"),
        };
        if let Some(url) = &mail.smtp_url {
            let parsed = url::Url::parse(url.expose()).ok();
            let known =
                |url: &url::Url| matches!(url.scheme(), "smtp" | "smtps" | "smtp+starttls") && url.has_host();
            reader.check(
                "mail.smtp_url",
                parsed.as_ref().is_some_and(known),
                "must be smtp://, smtps:// or smtp+starttls:// with USER:PASSWORD@HOST:PORT",
            );
            reader.check(
                "mail.from",
                mail.from.is_some(),
                "is missing; say who mail is from, as `Signet <id@example.org>`",
            );
        }
        if let Some(from) = &mail.from {
            reader.check(
                "mail.from",
                from.contains('@'),
                "must be an address, as `Signet <id@example.org>`",
            );
        }
        mail
    }
}
