//! `/account/export`: all that is stored about the user, as a file.

use actix_web::http::header::{CACHE_CONTROL, CONTENT_DISPOSITION, CONTENT_SECURITY_POLICY};
use actix_web::{HttpRequest, HttpResponse, web};

use super::super::visit::{Member, either};
use crate::flows::accounts::export;
use crate::flows::login::LoginError;
use crate::http::site::Site;

/// `GET /account/export`. A browser saves it and shows none of it.
pub async fn get(request: HttpRequest, site: web::Data<Site>) -> HttpResponse {
    either(file(&site, &request).await)
}

async fn file(site: &Site, request: &HttpRequest) -> Result<HttpResponse, HttpResponse> {
    let member = Member::begin(site, request).await?;
    member.is_fresh("export")?;
    let document = export::export(&site.provider, &member.present.user, member.now)
        .await
        .map_err(|error| member.failed(&LoginError::from(error)))?;
    let text = serde_json::to_vec_pretty(&document).expect("a value of JSON is written as JSON");
    let name = format!(
        "attachment; filename=\"account-{}.json\"",
        member.now.format("%Y-%m-%d")
    );
    Ok(HttpResponse::Ok()
        .content_type("application/json")
        .insert_header((CONTENT_DISPOSITION, name))
        .insert_header((
            CONTENT_SECURITY_POLICY,
            "default-src 'none'; frame-ancestors 'none'",
        ))
        .insert_header((CACHE_CONTROL, "no-store"))
        .body(text))
}
