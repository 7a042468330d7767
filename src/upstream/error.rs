//! Why a provider could not be asked, or is not believed. Nothing here holds what a peer wrote, but for the error
//! code that it answered with.

/// Why nobody arrived.
#[derive(Debug, thiserror::Error)]
pub enum UpstreamError {
    /// It cannot be asked now; later it may.
    #[error("the provider cannot be asked: {0}")]
    Unavailable(Outage),
    /// It said no, with an error code in the characters of RFC 6749 §4.1.2.1.
    #[error("the provider refused: {error}")]
    Refused {
        /// `invalid_grant` and the like.
        error: String,
    },
    /// Another provider answered (RFC 9207), or its metadata is another's.
    #[error("the answer is not of the provider that was asked")]
    IssuerMismatch,
    /// Its ID token is not believed.
    #[error("the ID token is not believed: {0}")]
    IdToken(IdTokenFault),
    /// What it says of the person cannot be used.
    #[error("what the provider says of the person cannot be used: {0}")]
    Profile(ProfileFault),
    /// There is nothing to refresh with.
    #[error("the provider has no refresh tokens")]
    NoRefresh,
    /// It makes no ID tokens.
    #[error("the provider has no ID tokens")]
    NoIdTokens,
    /// Our entry, or its metadata, cannot work.
    #[error("the provider is not set up right: {0}")]
    Misconfigured(&'static str),
}

/// What is the matter with a provider.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Outage {
    /// It failed again and again and is left alone for a while.
    #[error("it failed too often and is left alone for a while")]
    Resting,
    /// So many are waiting for it that nobody else may.
    #[error("too many are waiting for it")]
    Crowded,
    /// It did not answer in time.
    #[error("it did not answer in time")]
    TooSlow,
    /// There is no connection.
    #[error("it cannot be reached")]
    Unreachable,
    /// The answer says that it is broken.
    #[error("it answered with an error of its own")]
    Broken,
    /// The answer is longer than anything that it should say.
    #[error("its answer is too long")]
    TooLong,
    /// The answer is not what it should be.
    #[error("its answer is not in the form that it should have")]
    Malformed,
    /// It had enough of us.
    #[error("it limits how often it may be asked")]
    Limited,
}

/// Why an ID token is not believed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum IdTokenFault {
    /// There is none.
    #[error("it is missing")]
    Missing,
    /// No JWT with the claims that it must have.
    #[error("it is no JWT with the claims that it needs")]
    Malformed,
    /// Signed by nobody, or in a way that anybody could.
    #[error("its algorithm is not taken")]
    Algorithm,
    /// None of the provider's keys.
    #[error("no key of the provider made its signature")]
    Signature,
    /// `iss`.
    #[error("iss is not the provider's")]
    Issuer,
    /// `aud` or `azp`.
    #[error("it is not for us alone")]
    Audience,
    /// `exp`.
    #[error("it has expired")]
    Expired,
    /// `iat`.
    #[error("it was made too long ago, or is not made yet")]
    IssuedAt,
    /// `nonce`.
    #[error("its nonce is not that of the request")]
    Nonce,
    /// `auth_time`.
    #[error(
        "the login that it tells of is older than the request for a new one, or it does not say when that was"
    )]
    AuthTime,
    /// `at_hash`.
    #[error("it belongs to another access token")]
    AccessToken,
    /// `sub`, `tid` or `oid`.
    #[error("it does not say whom it means")]
    Subject,
}

/// Why what is said of a person is of no use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ProfileFault {
    /// It does not say whom it means.
    #[error("it does not say whom it means")]
    NoSubject,
    /// It is about somebody else than the token.
    #[error("it is about another subject")]
    OtherSubject,
    /// More than is kept.
    #[error("it is too long")]
    TooLong,
}

/// What `signet doctor` found wrong, and what helps.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// What is wrong, a sentence.
    pub message: String,
    /// What to do.
    pub hint: &'static str,
}

impl From<IdTokenFault> for UpstreamError {
    fn from(fault: IdTokenFault) -> Self {
        Self::IdToken(fault)
    }
}

impl From<ProfileFault> for UpstreamError {
    fn from(fault: ProfileFault) -> Self {
        Self::Profile(fault)
    }
}
