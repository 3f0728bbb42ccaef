//! Everything of a running gateway that goes by a profile, so that another one in force is another for all of it.

use crate::config;
use crate::crosswalk::Retention;
use crate::desk;
use crate::isolation::Warden;
use crate::pipeline::Route;
use crate::profile::Profile;
use crate::residency::Standing;
use crate::shelf::Chosen;
use std::sync::Arc;

/// Workers that begin, and whoever asks whether a destination may be sent to under its profile's options.
pub(super) struct Users {
    warden: Arc<Warden>,
    standings: Vec<(String, Standing)>,
    retentions: Vec<(String, Retention)>,
}

impl Users {
    pub(super) fn new(
        warden: &Arc<Warden>,
        standings: &[(String, Standing)],
        crosswalks: &[(Arc<Route>, Retention)],
    ) -> Self {
        let retention =
            |(route, keep): &(Arc<Route>, Retention)| (route.destination.clone(), *keep);
        Users {
            warden: Arc::clone(warden),
            standings: standings.to_vec(),
            retentions: crosswalks.iter().map(retention).collect(),
        }
    }
}

impl desk::Users for Users {
    fn refuse(&self, destination: &str, profile: &Profile) -> Option<String> {
        match self.retentions.iter().find(|(name, _)| name == destination) {
            Some((_, keep)) => config::refuses(*keep, profile).map(str::to_owned),
            None => Some(format!("{destination} is no destination of this gateway")),
        }
    }

    fn use_from_now(&self, chosen: &Chosen) {
        let destination = &chosen.activated.destination;
        self.warden.orders.put_under(destination, &chosen.file, &chosen.text);
        for (_, standing) in self.standings.iter().filter(|(name, _)| name == destination) {
            standing.put_under(chosen.profile.options());
        }
        let (profile, plan) = (&chosen.activated.name, &chosen.activated.plan);
        tracing::info!(destination, profile, plan, "another profile is in force");
    }
}
