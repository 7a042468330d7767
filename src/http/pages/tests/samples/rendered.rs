//! The samples, rendered: with all that a page may show, and with as little as it may.

use super::*;

/// Every page with everything that it can show, all of it `text`.
pub(in crate::http::pages::tests) fn full(text: &str) -> Vec<(&'static str, String)> {
    let pages = pages(text);
    let fresh = |reason| LoginPage {
        fresh_reason: Some(reason),
        ..login(text)
    };
    vec![
        ("login", pages.render(&login(text))),
        (
            "login for prompt=login",
            pages.render(&fresh(FreshReason::PromptLogin)),
        ),
        ("login for max_age", pages.render(&fresh(FreshReason::MaxAge))),
        ("signup", pages.render(&signup(text))),
        ("consent", pages.render(&consent(text))),
        ("logout", pages.render(&logout(text))),
        (
            "logged out",
            pages.render(&LoggedOutPage {
                client: Some(client(text)),
            }),
        ),
        ("account", pages.render(&account(text))),
        ("step", pages.render(&step(text))),
        ("new password", pages.render(&new_password(text))),
        ("profile", pages.render(&profile(text))),
        ("again", pages.render(&again(text))),
        ("identities", pages.render(&identities(text))),
        ("applications", pages.render(&applications(text))),
        ("error", pages.render(&error(text))),
        ("busy", pages.render(&busy(text))),
        ("form_post", pages.render(&form_post(text))),
    ]
}

/// Every page with nothing that can be left out.
pub(in crate::http::pages::tests) fn bare(text: &str) -> Vec<(&'static str, String)> {
    let pages = Pages::new(
        Branding {
            name: text.to_owned(),
            logo: Some(Logo {
                bytes: Bytes::from_static(b"<svg/>"),
                media_type: "image/svg+xml",
            }),
            accent: [255, 255, 255],
            provider_icons: Vec::new(),
        },
        "/realms/one",
    );
    let login = || LoginPage {
        client: None,
        email: String::new(),
        notice: None,
        errors: FormErrors::default(),
        links: Vec::new(),
        signup_url: None,
        continue_as: None,
        ..login(text)
    };
    let fresh = |reason| LoginPage {
        fresh_reason: Some(reason),
        ..login()
    };
    let stranger = ClientView {
        name: text.to_owned(),
        ..ClientView::default()
    };
    vec![
        ("login", pages.render(&login())),
        (
            "login for prompt=login",
            pages.render(&fresh(FreshReason::PromptLogin)),
        ),
        ("login for max_age", pages.render(&fresh(FreshReason::MaxAge))),
        (
            "signup",
            pages.render(&SignupPage {
                client: None,
                errors: FormErrors::default(),
                advice: None,
                providers: Vec::new(),
                login_url: None,
                ..signup(text)
            }),
        ),
        (
            "signup with empty advice",
            pages.render(&SignupPage {
                advice: Some(PasswordAdvice::default()),
                ..signup(text)
            }),
        ),
        (
            "consent",
            pages.render(&ConsentPage {
                client: stranger,
                scopes: Vec::new(),
                resources: Vec::new(),
                switch_url: None,
                ..consent(text)
            }),
        ),
        (
            "logout",
            pages.render(&LogoutPage {
                client: None,
                hidden: Vec::new(),
                ..logout(text)
            }),
        ),
        ("logged out", pages.render(&LoggedOutPage { client: None })),
        (
            "account",
            pages.render(&AccountPage {
                notice: None,
                name: String::new(),
                verify_action: None,
                settings: Vec::new(),
                sessions: Vec::new(),
                ..account(text)
            }),
        ),
        (
            "step",
            pages.render(&StepPage {
                client: None,
                notice: None,
                facts: Vec::new(),
                form: None,
                links: Vec::new(),
                ..step(text)
            }),
        ),
        (
            "step with a bare form",
            pages.render(&StepPage {
                form: Some(StepForm {
                    action: "/verify-email".to_owned(),
                    csrf: text.to_owned(),
                    ..StepForm::default()
                }),
                ..step(text)
            }),
        ),
        (
            "new password",
            pages.render(&NewPasswordPage {
                hidden: Vec::new(),
                current: None,
                error: None,
                advice: None,
                links: Vec::new(),
                ..new_password(text)
            }),
        ),
        (
            "profile",
            pages.render(&ProfilePage {
                name_error: None,
                picture_error: None,
                links: Vec::new(),
                ..profile(text)
            }),
        ),
        (
            "applications",
            pages.render(&ApplicationsPage {
                notice: None,
                applications: Vec::new(),
                links: Vec::new(),
                ..applications(text)
            }),
        ),
        (
            "identities",
            pages.render(&IdentitiesPage {
                notice: None,
                alert: None,
                identities: Vec::new(),
                add: Vec::new(),
                has_password: false,
                links: Vec::new(),
                ..identities(text)
            }),
        ),
        (
            "error",
            pages.render(&ErrorPage {
                advice: None,
                ..error(text)
            }),
        ),
        ("busy", pages.render(&busy(text))),
        (
            "form_post",
            pages.render(&FormPostPage {
                client: None,
                fields: Vec::new(),
                ..form_post(text)
            }),
        ),
    ]
}
