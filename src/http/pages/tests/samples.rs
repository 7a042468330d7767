//! One of each page, every text in it the same.

mod rendered;

use std::time::Duration;

use bytes::Bytes;
use chrono::{DateTime, TimeDelta, Utc};

use super::super::assets::Logo;
use super::super::view::*;
pub(super) use rendered::{bare, full};

/// Breaks out of text, of attributes and of scripts, reorders what follows, and is long.
pub(super) fn hostile() -> String {
    format!(
        "<script>alert(1)</script>\"'`><img src=x onerror=alert(2)>{{{{ 7*7 }}}}\u{202e}\u{0}{}",
        "n".repeat(200)
    )
}

pub(super) fn pages(name: &str) -> Pages {
    let branding = Branding {
        name: name.to_owned(),
        logo: None,
        accent: [0x1d, 0x4e, 0xd8],
        provider_icons: Vec::new(),
    };
    Pages::new(branding, "")
}

pub(super) fn client(text: &str) -> ClientView {
    ClientView {
        name: text.to_owned(),
        client_uri: Some("https://calendar.example/".to_owned()),
        policy_uri: Some("https://calendar.example/privacy".to_owned()),
        tos_uri: None,
    }
}

pub(super) fn login(text: &str) -> LoginPage {
    LoginPage {
        action: "/login?request=1".to_owned(),
        csrf: text.to_owned(),
        client: Some(client(text)),
        email: text.to_owned(),
        notice: Some(text.to_owned().into()),
        errors: errors(text),
        links: links(text),
        providers: providers(text),
        signup_url: Some("/signup?request=1".to_owned()),
        continue_as: Some(ContinueAs {
            email: text.to_owned(),
            action: "/login/continue".to_owned(),
        }),
        fresh_reason: None,
    }
}

pub(super) fn errors(text: &str) -> FormErrors {
    let text = Some(Text::from(text.to_owned()));
    FormErrors {
        form: text.clone(),
        name: text.clone(),
        email: text.clone(),
        password: text,
    }
}

pub(super) fn signup(text: &str) -> SignupPage {
    SignupPage {
        action: "/signup".to_owned(),
        csrf: text.to_owned(),
        client: Some(client(text)),
        name: text.to_owned(),
        email: text.to_owned(),
        errors: errors(text),
        advice: Some(PasswordAdvice {
            warning: Some(text.to_owned().into()),
            suggestions: vec![text.to_owned().into()],
        }),
        providers: providers(text),
        login_url: Some("/login".to_owned()),
    }
}

fn providers(text: &str) -> Vec<ProviderView> {
    vec![ProviderView {
        label: text.to_owned(),
        icon: None,
        action: "/login/with/google".to_owned(),
    }]
}

pub(super) fn consent(text: &str) -> ConsentPage {
    let scope = ScopeView {
        title: text.to_owned().into(),
        description: Some(text.to_owned().into()),
    };
    ConsentPage {
        action: "/consent".to_owned(),
        csrf: text.to_owned(),
        client: client(text),
        user_email: text.to_owned(),
        scopes: vec![scope.clone()],
        resources: vec![
            ResourceView {
                name: text.to_owned(),
                scopes: vec![scope],
            },
            ResourceView {
                name: text.to_owned(),
                scopes: Vec::new(),
            },
        ],
        switch_url: Some("/login?switch=1".to_owned()),
    }
}

pub(super) fn logout(text: &str) -> LogoutPage {
    LogoutPage {
        action: "/oauth2/logout".to_owned(),
        csrf: text.to_owned(),
        client: Some(client(text)),
        user_email: text.to_owned(),
        hidden: vec![(text.to_owned(), text.to_owned())],
    }
}

pub(super) fn at() -> DateTime<Utc> {
    DateTime::from_timestamp(1_790_000_000, 0).expect("a time")
}

pub(super) fn account(text: &str) -> AccountPage {
    let session = SessionView {
        id: text.to_owned(),
        device: text.to_owned(),
        last_used: at(),
        created: at() - TimeDelta::days(2),
        current: true,
        ip: Some(text.to_owned()),
        revoke_action: "/account/sessions/1/revoke".to_owned(),
    };
    AccountPage {
        csrf: text.to_owned(),
        notice: Some(text.to_owned().into()),
        name: text.to_owned(),
        email: text.to_owned(),
        email_verified: true,
        verify_action: Some("/account/email/send".to_owned()),
        settings: links(text),
        sessions: vec![
            session.clone(),
            SessionView {
                current: false,
                ip: None,
                ..session
            },
        ],
        revoke_others_action: "/account/sessions/revoke-others".to_owned(),
        logout_action: "/logout".to_owned(),
    }
}

pub(super) fn links(text: &str) -> Vec<LinkView> {
    vec![LinkView {
        text: text.to_owned().into(),
        url: "/account".to_owned(),
    }]
}

pub(super) fn step(text: &str) -> StepPage {
    let words = || Text::from(text.to_owned());
    StepPage {
        title: words(),
        lead: words(),
        client: Some(client(text)),
        notice: Some(words()),
        facts: vec![
            FactView {
                label: words(),
                value: FactValue::Text(text.to_owned()),
            },
            FactView::at("Signed up", at()),
        ],
        form: Some(StepForm {
            action: "/verify-email".to_owned(),
            csrf: text.to_owned(),
            hidden: vec![("token".to_owned(), text.to_owned())],
            alert: Some(words()),
            email: Some(EmailField {
                label: words(),
                value: text.to_owned(),
                autocomplete: "username",
                error: Some(words()),
            }),
            password: Some(PasswordField { error: Some(words()) }),
            buttons: vec![
                ButtonView::only(words()),
                ButtonView::answer("No", "no", ButtonKind::Danger),
                ButtonView::answer("Later", "later", ButtonKind::Quiet),
            ],
        }),
        links: links(text),
    }
}

pub(super) fn new_password(text: &str) -> NewPasswordPage {
    let words = || Text::from(text.to_owned());
    NewPasswordPage {
        title: words(),
        lead: words(),
        action: "/account/password".to_owned(),
        csrf: text.to_owned(),
        hidden: vec![("token".to_owned(), text.to_owned())],
        current: Some(CurrentPassword {
            email: text.to_owned(),
            error: Some(words()),
            end_others: true,
        }),
        error: Some(words()),
        advice: Some(PasswordAdvice {
            warning: Some(words()),
            suggestions: vec![words()],
        }),
        button: words(),
        links: links(text),
    }
}

pub(super) fn profile(text: &str) -> ProfilePage {
    ProfilePage {
        action: "/account/profile".to_owned(),
        csrf: text.to_owned(),
        name: text.to_owned(),
        picture: text.to_owned(),
        name_error: Some(text.to_owned().into()),
        picture_error: Some(text.to_owned().into()),
        links: links(text),
    }
}

pub(super) fn applications(text: &str) -> ApplicationsPage {
    let application = || ApplicationView {
        client: client(text),
        client_id: text.to_owned(),
        since: at(),
        scopes: vec![ScopeView {
            title: text.to_owned().into(),
            description: None,
        }],
        resources: vec![text.to_owned()],
    };
    ApplicationsPage {
        action: "/account/applications/withdraw".to_owned(),
        csrf: text.to_owned(),
        notice: Some(text.to_owned().into()),
        applications: vec![application(), application()],
        links: links(text),
    }
}

pub(super) fn again(text: &str) -> AgainPage {
    AgainPage {
        step: step(text),
        providers: providers(text),
        csrf: text.to_owned(),
    }
}

pub(super) fn identities(text: &str) -> IdentitiesPage {
    let identity = |number: usize| IdentityView {
        label: text.to_owned(),
        icon: Some("/assets/google.svg".to_owned()),
        who: text.to_owned(),
        since: at(),
        last_used: Some(at()),
        remove_action: Some(format!("/account/identities/{number}/remove")),
        profile_action: Some(format!("/account/identities/{number}/profile")),
    };
    IdentitiesPage {
        csrf: text.to_owned(),
        notice: Some(text.to_owned().into()),
        alert: Some(text.to_owned().into()),
        identities: vec![identity(1), identity(2)],
        add: providers(text),
        has_password: true,
        password_url: "/account/password".to_owned(),
        links: links(text),
    }
}

pub(super) fn error(text: &str) -> ErrorPage {
    ErrorPage {
        title: text.to_owned().into(),
        message: text.to_owned().into(),
        advice: Some(text.to_owned().into()),
        request_id: text.to_owned(),
    }
}

pub(super) fn busy(text: &str) -> BusyPage {
    BusyPage {
        title: text.to_owned().into(),
        message: text.to_owned().into(),
        retry_after: Duration::from_secs(30),
        request_id: text.to_owned(),
    }
}

pub(super) fn form_post(text: &str) -> FormPostPage {
    FormPostPage {
        action: "https://calendar.example/callback".to_owned(),
        client: Some(client(text)),
        fields: vec![
            ("code".to_owned(), text.to_owned()),
            ("state".to_owned(), text.to_owned()),
        ],
    }
}
