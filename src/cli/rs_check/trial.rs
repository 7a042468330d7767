//! One check after the other against the resource server: shows the tokens, and judges the answers.

use http::HeaderValue;
use http::header::AUTHORIZATION;
use serde::Serialize;
use url::Url;

use super::checks::{Check, Wants, Watch};
use super::jwks_requests::JwksRequests;
use super::lure::Lure;
use super::material::{Attempt, Keys, Material, NotPossible, Shown};
use crate::jose::SignError;
use crate::outbound::{Client, OutboundError, Request};

/// How a check came out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Outcome {
    /// The resource server did what it must.
    Pass,
    /// It did not.
    Fail,
    /// It could not be tried.
    Skipped,
}

/// What came of a check.
#[derive(Debug, Serialize)]
pub struct Finding {
    /// Its name.
    pub check: &'static str,
    /// How it came out.
    pub outcome: Outcome,
    /// The HTTP status of the first answer that was wrong, else of the last.
    pub status: Option<u16>,
    /// What happens to those who fail.
    pub risk: &'static str,
    /// What to do then.
    pub fix: &'static str,
    /// What was wrong, or why nothing was tried.
    pub detail: Option<String>,
}

/// The resource server on trial.
pub struct Trial<'a> {
    /// What reaches it.
    pub client: &'a Client,
    /// Its route.
    pub url: &'a Url,
    /// What tokens are made of.
    pub material: &'a Material<'a>,
    /// What signs them.
    pub keys: &'a Keys<'a>,
    /// Where the tokens of some checks point to.
    pub lure: &'a Lure,
    /// How often the JWKS was fetched; why that is not known otherwise.
    pub jwks: &'a Result<JwksRequests, NotPossible>,
}

/// What came back.
enum Answer {
    Status(u16),
    /// The connection was closed before the answer was complete.
    HungUp,
    /// Nothing came in time.
    Silence,
    /// It cannot be reached any more.
    Gone,
}

impl Trial<'_> {
    /// Whether anybody is there to be tried.
    ///
    /// # Errors
    /// When nobody is.
    pub async fn knock(&self) -> Result<(), OutboundError> {
        let request = Request::get(self.url.as_str()).body(Vec::new());
        let request = request.map_err(|_| OutboundError::Url)?;
        self.client.send(request).await.map(drop)
    }

    /// Makes one check.
    ///
    /// # Errors
    /// When a token cannot be signed, or the URL is none that can be asked.
    pub async fn run(&self, check: &'static Check) -> Result<Finding, TrialError> {
        let attempts = match (check.show)(self.material) {
            Ok(attempts) => attempts,
            Err(reason) => return Ok(finding(check, Outcome::Skipped, None, Some(reason.to_string()))),
        };
        let shown = attempts.len();
        let watched = self.watch(check.watch).await;
        let mut wrong = Vec::new();
        let (mut status, mut limited) = (None, false);
        for attempt in attempts {
            let answer = self.show(&attempt).await?;
            let complaint = complaint(check.wants, &answer);
            if wrong.is_empty() {
                status = match answer {
                    Answer::Status(status) => Some(status),
                    Answer::HungUp | Answer::Silence | Answer::Gone => None,
                };
            }
            limited |= matches!(answer, Answer::Status(429));
            if let Some(complaint) = complaint {
                wrong.push(format!("{}: {complaint}", attempt.what));
            }
        }
        if limited {
            let reason = "answered 429: lift the API's limits for this run, since they hide what it would do";
            return Ok(finding(
                check,
                Outcome::Skipped,
                Some(429),
                Some(reason.to_owned()),
            ));
        }
        let mut skipped = None;
        match self.after(watched, shown).await {
            Ok(None) => {}
            Ok(Some(complaint)) => wrong.push(complaint),
            Err(reason) => skipped = Some(reason.to_string()),
        }
        Ok(if wrong.is_empty() {
            let outcome = if skipped.is_some() {
                Outcome::Skipped
            } else {
                Outcome::Pass
            };
            finding(check, outcome, status, skipped)
        } else {
            finding(check, Outcome::Fail, status, Some(summary(&wrong, shown)))
        })
    }

    async fn show(&self, attempt: &Attempt) -> Result<Answer, TrialError> {
        match self.ask(attempt).await? {
            // The answer before may have ended the connection, which says nothing of this token: once more on
            // another one.
            Answer::HungUp => self.ask(attempt).await,
            answer => Ok(answer),
        }
    }

    async fn ask(&self, attempt: &Attempt) -> Result<Answer, TrialError> {
        let mut url = self.url.clone();
        let mut authorization = None;
        match &attempt.shown {
            Shown::Nothing => {}
            Shown::Authorization(bytes) => authorization = Some(bytes.to_vec()),
            Shown::Bearer(token) => {
                authorization = Some([b"Bearer ", &*self.keys.make(token).await?].concat())
            }
            Shown::InQuery(token) => {
                let token = self.keys.make(token).await?;
                let token = String::from_utf8_lossy(&token);
                url.query_pairs_mut().append_pair("access_token", &token);
            }
        }
        let mut request = Request::get(url.as_str());
        if let Some(bytes) = authorization {
            let mut value = HeaderValue::from_bytes(&bytes).expect("tokens have no control characters");
            value.set_sensitive(true);
            request = request.header(AUTHORIZATION, value);
        }
        let request = request.body(Vec::new()).map_err(|_| OutboundError::Url)?;
        match self.client.send(request).await {
            Ok(response) => Ok(Answer::Status(response.status().as_u16())),
            Err(OutboundError::Broken(_)) => Ok(Answer::HungUp),
            Err(OutboundError::Timeout) => Ok(Answer::Silence),
            Err(OutboundError::Connect(_)) => Ok(Answer::Gone),
            Err(error) => Err(error.into()),
        }
    }

    async fn watch(&self, watch: Watch) -> Watched {
        match watch {
            Watch::Nothing => Watched::Nothing,
            Watch::Lure => Watched::Lure(self.lure.visits()),
            Watch::JwksRequests => Watched::JwksRequests(match self.jwks {
                Ok(jwks) => jwks.count().await,
                Err(reason) => Err(reason.clone()),
            }),
        }
    }

    /// What is wrong beside the answers.
    async fn after(&self, watched: Watched, shown: usize) -> Result<Option<String>, NotPossible> {
        match watched {
            Watched::Nothing => Ok(None),
            Watched::Lure(before) => {
                let visits = self.lure.visits() - before;
                Ok((visits > 0).then(|| format!("it came to fetch what the token named, {visits} times")))
            }
            Watched::JwksRequests(before) => {
                let fetched = match self.jwks {
                    Ok(jwks) => jwks.count().await? - before?,
                    Err(reason) => return Err(reason.clone()),
                };
                Ok((fetched * 2 >= shown as u64)
                    .then(|| format!("{shown} tokens made it fetch the JWKS {fetched} times")))
            }
        }
    }
}

enum Watched {
    Nothing,
    Lure(usize),
    JwksRequests(Result<u64, NotPossible>),
}

/// What is wrong with an answer, if anything is.
fn complaint(wants: Wants, answer: &Answer) -> Option<String> {
    let status = match *answer {
        Answer::HungUp if wants == Wants::AnyRefusalOrHangUp => return None,
        Answer::HungUp => return Some("closed the connection without an answer".to_owned()),
        Answer::Silence => return Some("no answer in time".to_owned()),
        Answer::Gone => return Some("could not be reached any more".to_owned()),
        Answer::Status(status) => status,
    };
    let right = match wants {
        Wants::Acceptance => matches!(status, 200..=299),
        Wants::Refusal => matches!(status, 401 | 403),
        // Not found, wrong method and too many requests say nothing of the token.
        Wants::AnyRefusal | Wants::AnyRefusalOrHangUp => {
            matches!(status, 400..=499) && !matches!(status, 404 | 405 | 429)
        }
    };
    if right {
        return None;
    }
    Some(match status {
        200..=299 => format!("accepted ({status})"),
        401 | 403 => format!("refused ({status})"),
        500..=599 => format!("broke the API ({status})"),
        other => format!("answered {other}, which neither accepts nor refuses the token"),
    })
}

/// The first things that went wrong, and how many more did.
fn summary(wrong: &[String], shown: usize) -> String {
    const TOLD: usize = 3;
    let mut text = wrong.iter().take(TOLD).cloned().collect::<Vec<_>>().join("; ");
    if let Some(more) = wrong.len().checked_sub(TOLD).filter(|more| *more > 0) {
        text.push_str(&format!("; and {more} more of {shown}"));
    }
    text
}

fn finding(check: &'static Check, outcome: Outcome, status: Option<u16>, detail: Option<String>) -> Finding {
    Finding {
        check: check.name,
        outcome,
        status,
        risk: check.risk,
        fix: check.fix,
        detail,
    }
}

/// Why a check could not be made at all.
#[derive(Debug, thiserror::Error)]
pub enum TrialError {
    /// A token could not be signed.
    #[error(transparent)]
    Sign(#[from] SignError),
    /// The resource server cannot be asked.
    #[error(transparent)]
    Request(#[from] OutboundError),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_right_only_where_it_speaks_of_the_token() {
        let right = |wants| {
            let statuses = [200, 204, 302, 400, 401, 403, 404, 405, 413, 429, 431, 500, 503];
            let fine = |status: &u16| complaint(wants, &Answer::Status(*status)).is_none();
            statuses.into_iter().filter(fine).collect::<Vec<_>>()
        };
        assert_eq!(right(Wants::Acceptance), [200, 204]);
        assert_eq!(right(Wants::Refusal), [401, 403]);
        assert_eq!(right(Wants::AnyRefusal), [400, 401, 403, 413, 431]);
        assert_eq!(right(Wants::AnyRefusalOrHangUp), [400, 401, 403, 413, 431]);
        for wants in [Wants::Acceptance, Wants::Refusal, Wants::AnyRefusal] {
            assert!(complaint(wants, &Answer::HungUp).is_some());
            assert!(complaint(wants, &Answer::Silence).is_some());
            assert!(complaint(wants, &Answer::Gone).is_some());
        }
        assert!(complaint(Wants::AnyRefusalOrHangUp, &Answer::HungUp).is_none());
    }

    #[test]
    fn a_long_list_of_faults_is_cut() {
        let wrong: Vec<String> = ["a", "b", "c", "d", "e"].map(str::to_owned).to_vec();
        assert_eq!(summary(&wrong[..3], 9), "a; b; c");
        assert_eq!(summary(&wrong, 9), "a; b; c; and 2 more of 9");
    }
}
