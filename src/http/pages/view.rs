//! The pages as values, and their rendering. A page is a struct that a handler fills in; [`Pages::render`]
//! makes HTML of it. Knows no request and no flow.
//!
//! Text in a view may come from anybody: templates escape it, show it without control and bidirectional
//! format characters, isolated from the text around it, and link to `http` and `https` only. A page has no
//! inline style, script or event handler, so its policy needs no `unsafe-inline`.

mod account;
mod consent;
mod identities;
mod notice;
mod settings;
mod sign_in;
mod step;

use std::borrow::Cow;
use std::fmt::Write;

use minijinja::{
    AutoEscape, Environment, Error, Output, State, UndefinedBehavior, Value, context, escape_formatter,
};
use url::Url;

use super::accent::Srgb;
use super::assets::{Assets, Logo};

pub use account::{AccountPage, LoggedOutPage, LogoutPage, SessionView};
pub use consent::{ConsentPage, ResourceView, ScopeView};
pub use identities::{AgainPage, IdentitiesPage, IdentityView, ProviderView};
pub use notice::{BusyPage, ErrorPage, FormPostPage};
pub use settings::{ApplicationView, ApplicationsPage, CurrentPassword, NewPasswordPage, ProfilePage};
pub use sign_in::{ContinueAs, FormErrors, FreshReason, LoginPage, PasswordAdvice, SignupPage};
pub use step::{
    ButtonKind, ButtonView, EmailField, FactValue, FactView, LinkView, PasswordField, StepForm, StepPage,
};

/// A sentence for the reader: one of ours, or one made of it and a number.
pub type Text = Cow<'static, str>;

/// How the operator wants the pages to look.
#[derive(Debug, Clone)]
pub struct Branding {
    /// What the provider calls itself.
    pub name: String,
    /// Shown instead of the name.
    pub logo: Option<Logo>,
    /// The colour of buttons and links; made readable where it is not.
    pub accent: Srgb,
    /// The pictures on the buttons of other providers, by their ids.
    pub provider_icons: Vec<(String, Logo)>,
}

/// The application that the user is going to.
#[derive(Clone, Default)]
pub struct ClientView {
    /// `client_name`.
    pub name: String,
    /// `client_uri` (RFC 7591 §2). This and the next two are linked only if they are `http` or `https` URLs.
    pub client_uri: Option<String>,
    /// `policy_uri`.
    pub policy_uri: Option<String>,
    /// `tos_uri`.
    pub tos_uri: Option<String>,
}

impl From<&ClientView> for Value {
    fn from(client: &ClientView) -> Self {
        context! {
            name => &client.name,
            client_uri => &client.client_uri,
            policy_uri => &client.policy_uri,
            tos_uri => &client.tos_uri,
        }
    }
}

/// A page that [`Pages`] can render.
pub trait Page {
    /// The name of its template.
    const TEMPLATE: &'static str;

    /// All that the template names. One that is forgotten here fails the rendering.
    fn context(&self) -> Value;
}

/// Templates and assets, made once for the life of the server.
#[derive(Debug)]
pub struct Pages {
    environment: Environment<'static>,
    assets: Assets,
    base_path: String,
}

impl Pages {
    /// The pages in an operator's colours. `base_path` is the path of the issuer, without a slash at the end:
    /// empty for `https://id.example.org`.
    pub fn new(branding: Branding, base_path: &str) -> Self {
        let Branding {
            name,
            logo,
            accent,
            provider_icons,
        } = branding;
        let assets = Assets::new(&name, logo, accent, provider_icons);
        let mut environment = Environment::new();
        environment.set_auto_escape_callback(|_| AutoEscape::Html);
        environment.set_formatter(escaped);
        environment.set_undefined_behavior(UndefinedBehavior::Strict);
        environment.add_filter("visible", visible);
        environment.add_test("web_url", |value: Value| value.as_str().is_some_and(is_web_url));
        let url = |path: &str| format!("{base_path}{path}");
        environment.add_global(
            "brand",
            context! {
                name,
                stylesheet => url(&assets.style.path),
                script => url(&assets.script.path),
                form_post_script => url(&assets.form_post_script.path),
                icon => url(&assets.icon.path),
                logo => assets.logo.as_ref().map(|logo| url(&logo.path)),
            },
        );
        for (name, source) in TEMPLATES {
            environment
                .add_template(name, source)
                .expect("our own templates parse");
        }
        Self {
            environment,
            assets,
            base_path: base_path.to_owned(),
        }
    }

    /// Where the picture on the button of a provider is, if it has one.
    pub fn provider_icon(&self, id: &str) -> Option<String> {
        let icon = self.assets.provider_icon(id)?;
        Some(format!("{}{}", self.base_path, icon.path))
    }

    /// The HTML of a page, to be sent as `text/html; charset=utf-8`.
    pub fn render<P: Page>(&self, page: &P) -> String {
        self.environment
            .get_template(P::TEMPLATE)
            .and_then(|template| template.render(page.context()))
            .expect("a page's template names only what its context has")
    }

    /// What the pages load.
    pub fn assets(&self) -> &Assets {
        &self.assets
    }
}

macro_rules! templates {
    ($($name:literal),+ $(,)?) => {
        const TEMPLATES: &[(&str, &str)] = &[$(($name, include_str!(concat!("templates/", $name)))),+];
    };
}

templates! {
    "base.html", "fields.html", "login.html", "signup.html", "consent.html", "logout.html",
    "logged_out.html", "account.html", "step.html", "again.html", "new_password.html", "profile.html",
    "applications.html", "identities.html", "error.html", "busy.html", "form_post.html",
}

/// Escapes what ends text or a quoted attribute. The engine's own escaping turns slashes into references too,
/// which every address in a page is full of.
fn escaped(out: &mut Output<'_>, state: &mut State<'_, '_>, value: &Value) -> Result<(), Error> {
    let Some(text) = value.as_str().filter(|_| !value.is_safe()) else {
        return escape_formatter(out, state, value);
    };
    for character in text.chars() {
        match character {
            '&' => out.write_str("&amp;")?,
            '<' => out.write_str("&lt;")?,
            '>' => out.write_str("&gt;")?,
            '"' => out.write_str("&quot;")?,
            '\'' => out.write_str("&#39;")?,
            _ => out.write_char(character)?,
        }
    }
    Ok(())
}

/// The text without what would hide or reorder it: control characters, and the bidirectional controls
/// (Unicode UAX #9 §2), with which "exe.txt" is spelled to read "txt.exe".
fn visible(text: &str) -> String {
    text.chars()
        .filter_map(|character| match character {
            '\t' | '\n' | '\r' => Some(' '),
            '\u{200b}'
            | '\u{200e}'
            | '\u{200f}'
            | '\u{61c}'
            | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}'
            | '\u{feff}' => None,
            _ if character.is_control() => None,
            _ => Some(character),
        })
        .collect()
}

/// Whether a link to it opens a web page and runs nothing. A user name in it would only disguise the host.
fn is_web_url(text: &str) -> bool {
    Url::parse(text).is_ok_and(|url| {
        matches!(url.scheme(), "http" | "https") && url.username().is_empty() && url.password().is_none()
    })
}

/// Hidden inputs, as templates take them.
fn hidden_fields(fields: &[(String, String)]) -> Value {
    fields
        .iter()
        .map(|(name, value)| context! { name, value })
        .collect()
}
