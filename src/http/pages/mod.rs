//! The hosted pages: what a browser sees of signup, login, consent, logout and the account.
//!
//! `view` has a struct a page and renders it, `assets` what the pages load, `accent` makes the operator's
//! colour readable, `device_name` says in words what a `User-Agent` header means. None of them knows a
//! request, a cookie or a flow: handlers fill in the views.

pub mod accent;
pub mod assets;
pub mod device_name;
pub mod view;

#[cfg(test)]
mod tests;
