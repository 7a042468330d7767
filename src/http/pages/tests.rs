//! Every page, in every state that its template knows, with friendly and with hostile values.

mod samples;

use bytes::Bytes;

use self::samples::*;
use super::assets::Logo;
use super::view::*;

/// The tags of a page, each from `<` to `>`. Values are escaped, so that no other `>` is in a tag.
fn tags(html: &str) -> Vec<&str> {
    html.split('<')
        .skip(1)
        .map(|rest| rest.split_once('>').expect("every tag ends").0)
        .collect()
}

/// The names of a tag's attributes.
fn attributes(tag: &str) -> Vec<&str> {
    tag.split('"')
        .step_by(2)
        .flat_map(str::split_whitespace)
        .map(|word| word.trim_end_matches('='))
        .collect()
}

/// The content of a page's first form, with its tag.
fn first_form(html: &str) -> &str {
    let start = html.find("<form").expect("a form");
    let end = html[start..].find("</form>").expect("the end of the form");
    &html[start..start + end]
}

#[test]
fn hostile_values_are_text_on_every_page() {
    for (page, html) in full(&hostile()).into_iter().chain(bare(&hostile())) {
        for forbidden in ["<script>alert", "<img src=x", "\u{0}<", ">49"] {
            assert!(!html.contains(forbidden), "{page}: {forbidden}\n{html}");
        }
    }
}

#[test]
fn nothing_is_inline() {
    for (page, html) in full("Calendar")
        .into_iter()
        .chain(bare("Calendar"))
        .chain(full(&hostile()))
    {
        for tag in tags(&html) {
            for attribute in attributes(tag) {
                assert!(
                    !attribute.starts_with("on") && attribute != "style",
                    "{page}: <{tag}>"
                );
            }
            assert!(!tag.starts_with("style"), "{page}: <{tag}>");
            assert!(
                !tag.contains("\"javascript:") && !tag.contains("\"data:"),
                "{page}: <{tag}>"
            );
        }
        assert_eq!(
            html.matches("<script src=\"").count(),
            html.matches("<script").count(),
            "{page}"
        );
    }
}

#[test]
fn shown_text_is_not_reordered_but_typed_text_is_kept() {
    let name = "Ann\u{202e}\u{2066}\u{200b}\nLee\u{7}";
    let html = pages("Signet").render(&SignupPage {
        client: Some(client(name)),
        ..signup(name)
    });
    assert!(html.contains("<bdi>Ann Lee</bdi>"), "{html}");
    assert!(html.contains(&format!("value=\"{name}\"")), "{html}");
}

#[test]
fn a_template_in_a_value_is_not_run() {
    let html = pages("{{ 7*7 }}").render(&error("{% raw %}{{ 7*7 }}"));
    assert!(html.contains("{{ 7*7 }}") && !html.contains("49"), "{html}");
}

#[test]
fn every_form_is_a_post_and_carries_the_csrf_field() {
    for (page, html) in full("Calendar") {
        if page == "form_post" {
            // It goes to the client, whose business our token is not.
            assert!(!html.contains("csrf"), "{html}");
            continue;
        }
        let forms: Vec<&str> = html.split("<form ").skip(1).collect();
        for form in &forms {
            assert!(form.starts_with("method=\"post\" action=\"/"), "{page}: {form}");
            let form = form.split("</form>").next().expect("a form ends");
            assert_eq!(
                form.matches("<input type=\"hidden\" name=\"csrf\"").count(),
                1,
                "{page}: {form}"
            );
        }
    }
}

#[test]
fn the_main_form_is_the_first_and_its_first_button_says_yes() {
    let pages = pages("Signet");
    for (html, action, button) in [
        (
            pages.render(&login("x")),
            "/login?request=1",
            "<button class=\"wide\" type=\"submit\">Sign in<",
        ),
        (
            pages.render(&signup("x")),
            "/signup",
            "<button class=\"wide\" type=\"submit\">Create account<",
        ),
        (
            pages.render(&consent("x")),
            "/consent",
            "<button type=\"submit\" name=\"decision\" value=\"allow\">",
        ),
        (
            pages.render(&logout("x")),
            "/oauth2/logout",
            "<button type=\"submit\" name=\"logout\" value=\"yes\">",
        ),
    ] {
        let form = first_form(&html);
        let action = format!("<form method=\"post\" action=\"{action}\"");
        assert!(form.starts_with(&action), "{form}");
        assert!(
            form[form.find("<button").expect("a button")..].starts_with(button),
            "{form}"
        );
    }
    let html = pages.render(&consent("x"));
    assert!(html.contains("name=\"decision\" value=\"deny\""));
    let html = pages.render(&logout("x"));
    assert!(html.contains("name=\"logout\" value=\"no\""));
}

#[test]
fn fields_have_the_names_and_tokens_that_password_managers_need() {
    let pages = pages("Signet");
    let (login, signup) = (pages.render(&login("x")), pages.render(&signup("x")));
    for (html, name, autocomplete) in [
        (&login, "email", "username"),
        (&login, "password", "current-password"),
        (&signup, "name", "name"),
        (&signup, "email", "username"),
        (&signup, "password", "new-password"),
    ] {
        let tags = tags(first_form(html));
        let input = tags
            .iter()
            .find(|tag| tag.starts_with("input") && tag.contains(&format!(" name=\"{name}\"")))
            .expect("the field is there");
        assert!(
            input.contains(&format!("autocomplete=\"{autocomplete}\"")),
            "{input}"
        );
        assert!(tags.contains(&format!("label for=\"{name}\"").as_str()), "{html}");
        if name == "password" {
            assert!(
                !input.contains("value="),
                "a password is never sent back: {input}"
            );
        }
    }
    assert!(signup.contains("minlength=\"8\"") && !signup.contains("maxlength"));
}

#[test]
fn an_error_stands_beside_its_field_and_is_announced() {
    let errors = FormErrors {
        password: Some("Too short.".into()),
        ..FormErrors::default()
    };
    let html = pages("Signet").render(&SignupPage {
        errors,
        ..signup("x")
    });
    assert!(
        html.contains("<p class=\"error\" id=\"password-error\" role=\"alert\">Too short.</p>"),
        "{html}"
    );
    assert!(
        html.contains(
            "aria-invalid=\"true\" aria-describedby=\"password-error password-advice password-hint\""
        ),
        "{html}"
    );
    assert_eq!(html.matches("aria-invalid").count(), 1, "{html}");
    assert!(html.contains("<title>Error: Create an account"), "{html}");
}

#[test]
fn one_field_at_most_takes_the_focus() {
    for (page, html) in full("x").into_iter().chain(bare("x")) {
        assert!(html.matches(" autofocus").count() <= 1, "{page}: {html}");
    }
}

#[test]
fn ids_are_unique_and_references_lead_somewhere() {
    let pages = pages("Signet");
    let mut page = account("x");
    for (number, session) in page.sessions.iter_mut().enumerate() {
        session.id = number.to_string();
    }
    let mut all = full("x");
    all.retain(|(name, _)| *name != "account");
    all.push(("account", pages.render(&page)));
    for (name, html) in all {
        let of = |attribute: &str| -> Vec<String> {
            html.split(&format!(" {attribute}=\""))
                .skip(1)
                .flat_map(|rest| rest.split('"').next().expect("a value").split_whitespace())
                .map(str::to_owned)
                .collect()
        };
        let ids = of("id");
        let mut unique = ids.clone();
        unique.sort();
        unique.dedup();
        assert_eq!(unique.len(), ids.len(), "{name}: {ids:?}");
        for reference in ["for", "aria-describedby", "aria-labelledby"]
            .into_iter()
            .flat_map(of)
        {
            assert!(ids.contains(&reference), "{name}: {reference} is not in {ids:?}");
        }
    }
}

#[test]
fn only_web_addresses_of_a_client_are_linked() {
    let pages = pages("Signet");
    let linked = |uri: &str| {
        let client = ClientView {
            name: "x".to_owned(),
            client_uri: Some(uri.to_owned()),
            ..client("x")
        };
        pages
            .render(&ConsentPage {
                client,
                ..consent("x")
            })
            .contains("Website")
    };
    assert!(linked("https://calendar.example/"));
    assert!(linked("http://localhost:3000/"));
    for uri in [
        "javascript:alert(1)",
        " JavaScript:alert(1)",
        "java\nscript:alert(1)",
        "data:text/html,x",
        "https://signet.example@evil.example/",
        "//evil.example/",
        "",
    ] {
        assert!(!linked(uri), "{uri}");
    }
    let html = pages.render(&consent("x"));
    assert_eq!(
        html.matches("rel=\"noopener noreferrer nofollow\"").count(),
        2,
        "{html}"
    );
}

#[test]
fn pages_that_an_attacker_may_lead_to_link_to_nothing() {
    let all = full("https://evil.example/");
    for page in ["error", "busy", "logged out", "form_post"] {
        let (_, html) = all.iter().find(|(name, _)| *name == page).expect("it is there");
        assert!(!html.contains("<a "), "{html}");
    }
}

#[test]
fn the_own_session_has_no_button_and_a_lone_one_none_for_the_others() {
    let pages = pages("Signet");
    let html = pages.render(&account("x"));
    assert_eq!(html.matches(">End session</button>").count(), 1, "{html}");
    assert!(html.contains("End all other sessions"), "{html}");
    let mut page = account("x");
    page.sessions.truncate(1);
    let html = pages.render(&page);
    assert!(
        !html.contains("End session") && !html.contains("End all other sessions"),
        "{html}"
    );
    assert!(
        html.contains("<time datetime=\"2026-09-21T14:13:20Z\">21 September 2026, 14:13 UTC</time>"),
        "{html}"
    );
}

#[test]
fn the_line_below_the_title_says_where_the_user_goes_and_why() {
    let pages = pages("Signet");
    let lead = |client: Option<ClientView>, fresh_reason| {
        let html = pages.render(&LoginPage {
            client,
            fresh_reason,
            ..login("x")
        });
        let start = html.find("<p class=\"lead\">").expect("a lead") + "<p class=\"lead\">".len();
        let end = html[start..].find("</p>").expect("its end");
        html[start..start + end].to_owned()
    };
    let calendar = || Some(client("Calendar"));
    let named = "<strong><bdi>Calendar</bdi></strong>";
    assert_eq!(lead(calendar(), None), format!("Sign in to continue to {named}."));
    assert_eq!(lead(None, None), "Sign in to your <bdi>Signet</bdi> account.");
    assert_eq!(
        lead(calendar(), Some(FreshReason::PromptLogin)),
        format!("{named} asks you to sign in again, to be sure that it is you.")
    );
    assert_eq!(
        lead(calendar(), Some(FreshReason::MaxAge)),
        format!("Your last sign-in was too long ago for {named}. Sign in again to continue.")
    );
}

#[test]
fn every_asset_that_a_page_names_is_served() {
    for base in ["", "/realms/one"] {
        let logo = Some(Logo {
            bytes: Bytes::from_static(b"\x89PNG"),
            media_type: "image/png",
        });
        let pages = Pages::new(
            Branding {
                name: "Signet".to_owned(),
                logo,
                accent: [200, 40, 40],
                provider_icons: Vec::new(),
            },
            base,
        );
        for html in [pages.render(&login("x")), pages.render(&form_post("x"))] {
            let named: Vec<String> = tags(&html)
                .iter()
                .flat_map(|tag| tag.split('"'))
                .filter(|value| value.contains("assets"))
                .map(str::to_owned)
                .collect();
            assert_eq!(named.len(), 4, "icon, style sheet, script, logo: {named:?}");
            for url in named {
                let path = url.strip_prefix(base).expect("the issuer's path comes first");
                assert!(pages.assets().find(path).is_some(), "{url}");
            }
        }
    }
}
