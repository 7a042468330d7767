//! One login to one token. Used by a single thread, which needs no module to bear several.
//!
//! A session that is lost is opened again for the request that notices, once; what fails then is told, and tried
//! again by the first request after [`PAUSE`]. To open again is to initialise the module anew, since some look
//! for their tokens at no other time.

use std::cell::RefCell;
use std::collections::HashMap;
use std::time::{Duration, Instant};

use cryptoki::context::{CInitializeArgs, CInitializeFlags, Pkcs11};
use cryptoki::error::{Error, RvError};
use cryptoki::object::ObjectHandle;
use cryptoki::session::{Session, UserType};
use cryptoki::slot::{Slot, TokenInfo};
use cryptoki::types::AuthPin;

use super::{Pkcs11Error, Pkcs11Settings, Pkcs11Uri};

/// How long a token that is away is left alone: opening costs much more than asking.
pub(super) const PAUSE: Duration = Duration::from_secs(1);

/// The token as one thread has it.
pub(super) struct Connection {
    settings: Pkcs11Settings,
    /// Loaded once and never unloaded: modules leave threads and exit handlers behind.
    module: Option<Pkcs11>,
    opened: Option<Opened>,
    /// When it was last opened again after a loss.
    reopened: Option<Instant>,
    /// The last failure to open, and when.
    failed: Option<(Instant, Pkcs11Error)>,
    /// What is wrong, as it was told.
    trouble: Option<String>,
}

/// A session that is logged in.
pub(super) struct Opened {
    pub(super) session: Session,
    pub(super) token: TokenInfo,
    /// The private keys that were looked up.
    pub(super) found: RefCell<HashMap<Pkcs11Uri, ObjectHandle>>,
}

impl Connection {
    pub(super) const fn new(settings: Pkcs11Settings) -> Self {
        Self {
            settings,
            module: None,
            opened: None,
            reopened: None,
            failed: None,
            trouble: None,
        }
    }

    /// Does `work` in a session.
    pub(super) fn with<T>(
        &mut self,
        mut work: impl FnMut(&Opened) -> Result<T, Pkcs11Error>,
    ) -> Result<T, Pkcs11Error> {
        let outcome = self.attempt(&mut work);
        match &outcome {
            Err(error) if error.is_away() => self.tell(error),
            _ => self.tell_well(),
        }
        outcome
    }

    fn attempt<T>(
        &mut self,
        work: &mut impl FnMut(&Opened) -> Result<T, Pkcs11Error>,
    ) -> Result<T, Pkcs11Error> {
        let opened = self.open()?;
        let error = match work(opened) {
            Err(error) if error.is_lost() => error,
            settled => return settled,
        };
        if self.reopened.is_none_or(|at| at.elapsed() >= PAUSE) {
            self.reopened = Some(Instant::now());
            self.close();
            let outcome = work(self.open()?);
            if !matches!(&outcome, Err(error) if error.is_lost()) {
                return outcome;
            }
        }
        // A key that is missing says nothing against the session.
        if !matches!(error, Pkcs11Error::NoKey(_)) {
            self.close();
            self.failed = Some((Instant::now(), error.clone()));
        }
        Err(error)
    }

    fn open(&mut self) -> Result<&Opened, Pkcs11Error> {
        if self.opened.is_none() {
            if let Some((at, error)) = &self.failed
                && (error.is_final() || at.elapsed() < PAUSE)
            {
                return Err(error.clone());
            }
            match self.log_in() {
                Ok(opened) => {
                    self.opened = Some(opened);
                    self.failed = None;
                }
                Err(error) => {
                    self.close();
                    self.failed = Some((Instant::now(), error.clone()));
                    return Err(error);
                }
            }
        }
        Ok(self.opened.as_ref().expect("it was opened just now"))
    }

    fn log_in(&mut self) -> Result<Opened, Pkcs11Error> {
        let module = self.module()?;
        match module.initialize(CInitializeArgs::new(CInitializeFlags::OS_LOCKING_OK)) {
            Ok(()) | Err(Error::Pkcs11(RvError::CryptokiAlreadyInitialized, _)) => {}
            Err(error) => return Err(error.into()),
        }
        let (slot, token) = self.slot(&module)?;
        if token.user_pin_locked() || token.user_pin_final_try() {
            return Err(Pkcs11Error::PinLocked);
        }
        let session = module.open_rw_session(slot)?;
        let pin = AuthPin::from(self.settings.pin.expose());
        match session.login(UserType::User, Some(&pin)) {
            Ok(()) | Err(Error::Pkcs11(RvError::UserAlreadyLoggedIn, _)) => {}
            Err(Error::Pkcs11(
                RvError::PinIncorrect | RvError::PinInvalid | RvError::PinLenRange | RvError::PinExpired,
                _,
            )) => return Err(Pkcs11Error::PinRefused),
            Err(Error::Pkcs11(RvError::PinLocked, _)) => return Err(Pkcs11Error::PinLocked),
            Err(error) => return Err(error.into()),
        }
        Ok(Opened {
            session,
            token,
            found: RefCell::default(),
        })
    }

    fn module(&mut self) -> Result<Pkcs11, Pkcs11Error> {
        if let Some(module) = &self.module {
            return Ok(module.clone());
        }
        let module = Pkcs11::new(&self.settings.module).map_err(|error| Pkcs11Error::Module {
            path: self.settings.module.clone(),
            reason: error.to_string(),
        })?;
        Ok(self.module.insert(module).clone())
    }

    fn slot(&self, module: &Pkcs11) -> Result<(Slot, TokenInfo), Pkcs11Error> {
        let mut tokens = Vec::new();
        for slot in module.get_slots_with_initialized_token()? {
            tokens.push((slot, module.get_token_info(slot)?));
        }
        let label = &self.settings.token;
        let present = || tokens.iter().map(|(_, token)| token.label().to_owned()).collect();
        let mut fitting = tokens.iter().filter(|(_, token)| token.label() == label);
        match (fitting.next(), fitting.next()) {
            (Some((slot, token)), None) => Ok((*slot, token.clone())),
            (Some(_), Some(_)) => Err(Pkcs11Error::SeveralTokens(label.clone())),
            (None, _) => Err(Pkcs11Error::NoToken {
                label: label.clone(),
                present: present(),
            }),
        }
    }

    /// Ends the session and lets go of the token.
    pub(super) fn close(&mut self) {
        // The session before the module that it belongs to.
        self.opened = None;
        if let Some(module) = &self.module {
            // What is not initialised, or gone, needs no more.
            let _ = module.clone().finalize();
        }
    }

    fn tell(&mut self, error: &Pkcs11Error) {
        let text = error.to_string();
        if self.trouble.as_ref() != Some(&text) {
            tracing::error!(
                error = text,
                token = self.settings.token,
                "nothing can be signed in the PKCS#11 token"
            );
            self.trouble = Some(text);
        }
    }

    fn tell_well(&mut self) {
        if let Some(trouble) = self.trouble.take() {
            tracing::warn!(trouble, token = self.settings.token, "the PKCS#11 token is back");
        }
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.close();
        if let Some(module) = self.module.take() {
            std::mem::forget(module);
        }
    }
}
