//! A password that has leaked is refused where clients of this protocol choose one, and what was mailed stays good.

use serde_json::json;

use super::mailed::{NEW, code, link};
use super::{ADA, Page, refuses};
use crate::breaches::{LEAKED, Service, app_that_asks, serve};
use crate::support::app::PASSWORD;
use crate::support::browser::Answer;

fn is_leaked(answer: &Answer) {
    refuses(answer, 400, "PASSWORD_COMPROMISED");
}

#[tokio::test]
async fn a_leaked_password_is_refused_at_signup_change_and_reset() {
    let (url, asked) = serve(Service::Knows(LEAKED)).await;
    let app = app_that_asks(&url).await;
    let mut page = Page::new(&app);
    let sign_up = |password: &str| json!({"name": "Ada", "email": ADA, "password": password});
    is_leaked(&page.post("/sign-up/email", sign_up(LEAKED)).await);
    assert_eq!(app.count("users").await, 0);
    assert_eq!(page.post("/sign-up/email", sign_up(PASSWORD)).await.status, 200);
    app.deliver_mail().await;

    let change = |new: &str| json!({"currentPassword": PASSWORD, "newPassword": new});
    is_leaked(&page.post("/change-password", change(LEAKED)).await);

    let body = json!({"email": ADA, "redirectTo": "/new-password"});
    page.post("/request-password-reset", body).await;
    let link = link(&app).await;
    let target = page.get(&link).await.location();
    let token = target.query_pairs().find(|(name, _)| name == "token");
    let token = token.expect("a token").1.into_owned();
    let reset = |password: &str| json!({"newPassword": password, "token": token});
    is_leaked(&page.post("/reset-password", reset(LEAKED)).await);
    let answer = page.post("/reset-password", reset(NEW)).await;
    assert_eq!(answer.json(), json!({"status": true}), "the link is still good");
    app.deliver_mail().await;

    page.post("/email-otp/request-password-reset", json!({"email": ADA}))
        .await;
    let right = code(&app).await;
    let reset = |password: &str| json!({"email": ADA, "otp": right, "password": password});
    is_leaked(&page.post("/email-otp/reset-password", reset(LEAKED)).await);
    let answer = page.post("/email-otp/reset-password", reset(PASSWORD)).await;
    assert_eq!(answer.json(), json!({"success": true}), "the code is still good");

    let before = asked.lock().expect("whole").len();
    assert_eq!(before, 7);
    page.sign_in(ADA).await;
    assert_eq!(
        asked.lock().expect("whole").len(),
        before,
        "a sign-in asks nobody"
    );
}
