use super::check::every;
use super::*;

fn brand() -> Brand {
    Brand {
        name: "Example <ID>".to_owned(),
        site: "https://id.example".to_owned(),
        accent: [0x1d, 0x4e, 0xd8],
    }
}

fn ours() -> Templates {
    Templates::open(brand(), None).expect("no folder is read")
}

/// A folder of an operator's, removed with the value.
struct Folder(PathBuf);

impl Folder {
    fn with(files: &[(&str, &str)]) -> Self {
        use std::sync::atomic::{AtomicU32, Ordering};
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let name = format!(
            "signet-t{}-{}",
            std::process::id(),
            COUNT.fetch_add(1, Ordering::Relaxed)
        );
        let folder = std::env::temp_dir().join(name);
        std::fs::create_dir_all(&folder).expect("the temporary directory is writable");
        for (name, source) in files {
            let file = folder.join(name);
            std::fs::create_dir_all(file.parent().expect("it has a folder")).expect("our own folder");
            std::fs::write(file, source).expect("our own folder");
        }
        Self(folder)
    }

    fn open(&self) -> Result<Templates, String> {
        Templates::open(brand(), Some(self.0.clone())).map_err(|error| error.to_string())
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

#[test]
fn every_letter_renders_in_every_language_with_nothing_left_over() {
    let templates = ours();
    for (language, letter) in every() {
        for everything in [true, false] {
            let context = variables::sample(letter, everything);
            let rendered = templates
                .render_in(letter, language, &context)
                .unwrap_or_else(|error| panic!("{error}"));
            let whole = format!("{}\n{}\n{}", rendered.subject, rendered.text, rendered.html);
            for leftover in ["{{", "{%", "}}", "%}", "None", "none\n", "undefined", "Subject:"] {
                assert!(!whole.contains(leftover), "{leftover} in {whole}");
            }
            assert!(rendered.subject.chars().count() < 80, "{}", rendered.subject);
            assert!(
                rendered.text.lines().all(|line| line.chars().count() <= LINE),
                "{}",
                rendered.text
            );
            for secret in context.link.iter().chain(&context.code) {
                assert!(rendered.text.contains(&**secret) && rendered.html.contains(&*html(secret)));
            }
            // Who we are, and where.
            assert!(rendered.text.contains("Example <ID>") && rendered.html.contains("Example &lt;ID&gt;"));
            assert!(rendered.text.contains("https://id.example"), "{}", rendered.text);
        }
    }
}

fn html(text: &str) -> String {
    minijinja::HtmlEscape(text).to_string()
}

#[test]
fn the_text_says_all_that_the_html_says() {
    let templates = ours();
    for (language, letter) in every() {
        let rendered = templates
            .render_in(letter, language, &variables::sample(letter, true))
            .expect("it renders");
        let body = rendered.html.split("</h1>").nth(1).expect("there is a body");
        let text = rendered.text.split_whitespace().collect::<Vec<_>>().join(" ");
        for line in in_words(body).lines().filter(|line| !line.is_empty()) {
            // What stands on a button is said by the words before it.
            let on_button = body.contains(&format!("text-decoration:none\">{}</a>", html(line)));
            assert!(on_button || text.contains(line), "{line} is not in {text}");
        }
    }
}

/// HTML without its tags and with its characters, a line a block.
fn in_words(html: &str) -> String {
    let mut html = html.replace('\n', " ");
    for end in ["<br>", "</p>", "</td>"] {
        html = html.replace(end, "\n");
    }
    let mut text = String::new();
    for piece in html.split('<') {
        text.push_str(piece.split_once('>').map_or(piece, |(_, after)| after));
    }
    let text = text
        .replace("&lt;", "<")
        .replace("&gt;", ">")
        .replace("&#x2f;", "/")
        .replace("&#x27;", "'");
    let lines: Vec<&str> = text.lines().map(str::trim).collect();
    lines.join("\n")
}

#[test]
fn what_a_stranger_made_up_is_neither_markup_nor_a_link() {
    let context = LetterContext {
        name: Some("<b>Win</b> at https://evil.example\r\nBcc: all".to_owned()),
        device: Some("<script>alert(1)</script> www.evil.example".to_owned()),
        new_email: Some("a@evil.example\r\nBcc: b@example.org".to_owned()),
        ..variables::sample(Letter::EmailChanged, true)
    };
    let rendered = ours()
        .render(Letter::EmailChanged, &[], &context)
        .expect("it renders");
    for part in [&rendered.text, &rendered.html, &rendered.subject] {
        assert!(!part.contains("evil"), "{part}");
        assert!(!part.contains("\nBcc") && !part.contains('\r'), "{part}");
    }
    assert!(
        !rendered.html.contains("<b>") && !rendered.html.contains("<script"),
        "{}",
        rendered.html
    );
    assert!(
        rendered.text.starts_with("Hello <b>Win</b> at Bcc: all,\n"),
        "{}",
        rendered.text
    );
}

#[test]
fn a_subject_is_one_line_whatever_the_brand_is() {
    let brand = Brand {
        name: "A\r\nBcc: x@example.org".to_owned(),
        ..brand()
    };
    let templates = Templates::open(brand, None).expect("no folder is read");
    let rendered = templates
        .render(Letter::PasswordChanged, &[], &LetterContext::default())
        .expect("it renders");
    assert_eq!(
        rendered.subject,
        "Your password at A Bcc: x@example.org was changed"
    );
}

#[test]
fn a_letter_without_what_it_needs_is_not_sent() {
    let refused = ours()
        .render(Letter::ResetPassword, &[], &LetterContext::default())
        .expect_err("there is no link");
    assert!(
        refused.to_string().starts_with("en/reset_password.txt, line "),
        "{refused}"
    );
}

#[test]
fn an_operators_template_replaces_ours_and_the_others_stay() {
    let folder = Folder::with(&[
        (
            "de/reset_password.txt",
            "Subject: Hallo von {{ brand }}\n\nHier: {{ link }}\n",
        ),
        (".DS_Store", "not a template"),
    ]);
    let templates = folder.open().expect("it is right");
    let german = vec!["de-CH".to_owned()];
    let context = variables::sample(Letter::ResetPassword, true);
    let rendered = templates
        .render(Letter::ResetPassword, &german, &context)
        .expect("it renders");
    assert_eq!(rendered.subject, "Hallo von Example <ID>");
    assert_eq!(
        rendered.text,
        "\nHier: https://id.example/sample?token=sample\n".trim_start()
    );
    assert!(rendered.html.contains("Neues Passwort wählen"));
    let english = templates
        .render(Letter::ResetPassword, &[], &context)
        .expect("it renders");
    assert_eq!(english.subject, "Choose a new password for Example <ID>");
}

#[test]
fn an_operators_mistake_is_told_with_its_file_and_line() {
    let wrong = |files: &[(&str, &str)]| Folder::with(files).open().expect_err("it is wrong");

    let unknown = wrong(&[(
        "de/code.txt",
        "Subject: {{ brand }}\n\n{% if name %}\n{{ kode }}{% endif %}\n",
    )]);
    assert!(
        unknown.starts_with("de/code.txt, line 4: unknown variable `kode`; known are code, "),
        "{unknown}"
    );

    // Known, but not in this letter: there is no code in it.
    let elsewhere = wrong(&[("en/reset_password.html", "<p>{{ code }}</p>")]);
    assert!(
        elsewhere.starts_with("en/reset_password.html, line 1: unknown variable `code`"),
        "{elsewhere}"
    );

    let syntax = wrong(&[("fr/sign_in.txt", "Subject: x\n\n{% if link %}\n{{ link }}\n")]);
    assert!(syntax.starts_with("fr/sign_in.txt, line "), "{syntax}");

    let subject = wrong(&[("es/code.txt", "{{ code }}\n")]);
    assert_eq!(subject, "es/code.txt, line 1: must be `Subject: ...`");

    let filter = wrong(&[("es/code.txt", "Subject: x\n\n{{ code|shout }}\n")]);
    assert!(
        filter.starts_with("es/code.txt, line 3: unknown filter"),
        "{filter}"
    );

    for name in [
        "de/reset-password.txt",
        "it/code.txt",
        "code.txt",
        "de/code.txt.bak",
        "en/frame.html",
    ] {
        let unknown = wrong(&[(name, "Subject: x\n\ny\n")]);
        let told = name.split('/').next().expect("a name");
        assert!(
            unknown.starts_with(told) && unknown.contains("replaces no template"),
            "{unknown}"
        );
    }

    let missing =
        Templates::open(brand(), Some(PathBuf::from("/nowhere/at/all"))).expect_err("there is none");
    assert!(
        missing.to_string().starts_with("/nowhere/at/all: cannot be read"),
        "{missing}"
    );
}

#[test]
fn every_template_of_ours_could_be_an_operators() {
    let files: Vec<(&str, &str)> = files::all().collect();
    assert_eq!(files.len(), 3 + 4 * (2 + 2 * Letter::ALL.len()));
    Folder::with(&files).open().expect("ours are right");
}
