//! Signing in by the word of the hospital's identity provider. It says who somebody is; what he may, the account here says,
//! and to agree to what needs two people takes the password of that account.

use super::keeper::{Keeper, failed, signed};
use super::question::{Elsewhere, Password, Refusal, SignedIn};
use crate::net::oidc::Begun;
use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// How long somebody may take there.
const VALID: Duration = Duration::from_secs(10 * 60);
/// Who is on the way at a time; more is an attack, and the oldest have to begin again.
const MOST: usize = 1000;

/// Those who are on the way, by what they are known.
#[derive(Default)]
pub struct Elsewheres(Mutex<HashMap<String, (Begun, Instant)>>);

impl Elsewheres {
    fn begin(&self, begun: Begun) {
        let (mut on_the_way, now) =
            (self.0.lock().unwrap_or_else(PoisonError::into_inner), Instant::now());
        on_the_way.retain(|_, (_, since)| now.duration_since(*since) < VALID);
        if on_the_way.len() >= MOST {
            on_the_way.clear();
        }
        on_the_way.insert(begun.state.clone(), (begun, now));
    }

    /// Once.
    fn end(&self, state: &str) -> Option<Begun> {
        let mut on_the_way = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (begun, since) = on_the_way.remove(state)?;
        (since.elapsed() < VALID).then_some(begun)
    }
}

impl Keeper {
    /// Where the provider signs somebody in.
    pub(super) fn send_elsewhere(&self) -> Result<Elsewhere, Refusal> {
        let provider = self.site.provider.as_ref().ok_or(Refusal::Unknown)?;
        let begun = provider.begin().map_err(failed)?;
        let elsewhere = Elsewhere { url: begun.url.clone(), state: begun.state.clone() };
        self.elsewheres.begin(begun);
        Ok(elsewhere)
    }

    /// Lets in whoever the provider says it is, if there is such an account.
    pub(super) fn came_back(
        &self,
        state: &str,
        code: &Password,
        from: IpAddr,
    ) -> Result<SignedIn, Refusal> {
        let provider = self.site.provider.as_ref().ok_or(Refusal::Unknown)?;
        let begun = self.elsewheres.end(state).ok_or(Refusal::Forged)?;
        let name = provider.end(&begun, &code.0).map_err(failed)?;
        let accounts = self.accounts.read().map_err(failed)?;
        let Some(account) = accounts.iter().find(|account| account.name == name) else {
            self.note(signed("refused", "nobody of the console", from))?;
            return Err(Refusal::Wrong);
        };
        self.let_in(account, from)
    }
}
