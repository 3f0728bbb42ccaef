//! Where data may go by law: what is known of a destination, what the site allows, and the decision.
//!
//! Everything in it comes from the configuration. Without a site policy no destination needs an entry in the register,
//! and the log says so at every release; with one, every destination does. An entry that is there is heeded either way:
//! what is missing in it, has expired, or is not what the site allows blocks the destination, and nothing else.
//!
//! What blocks is what Chapter V and Art. 28 and 30 of the GDPR have a controller know of a recipient, and the French
//! certification of health data hosts (HDS, Code de la santé publique L1111-8) where the site asks for it.

use crate::clock::Day;
use crate::standard::Options;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;
use std::sync::{Arc, PoisonError, RwLock};

/// A country: ISO 3166-1 alpha-2.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Country([u8; 2]);

/// The European Economic Area, which a policy may name as `EEA`.
pub const EEA: [&str; 30] = [
    "AT", "BE", "BG", "CY", "CZ", "DE", "DK", "EE", "ES", "FI", "FR", "GR", "HR", "HU", "IE", "IS",
    "IT", "LI", "LT", "LU", "LV", "MT", "NL", "NO", "PL", "PT", "RO", "SE", "SI", "SK",
];

/// What a recipient is towards the hospital (GDPR Art. 4(7), 4(8), 26).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Role {
    /// It works on the hospital's instructions.
    Processor,
    /// It decides on its own.
    Controller,
    /// Both decide together.
    JointController,
}

/// A certificate that a site may ask for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Scheme {
    /// Hébergeur de données de santé.
    #[serde(rename = "HDS")]
    Hds,
    /// Qualification by ANSSI.
    SecNumCloud,
    /// Information security management.
    #[serde(rename = "ISO 27001")]
    Iso27001,
}

/// A certificate and the last day on which it holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Certificate {
    /// Of what.
    pub scheme: Scheme,
    /// Until when.
    pub until: Day,
}

/// What is known of a destination. What is missing blocks it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Entry {
    /// Who runs it, by the name in its register of companies.
    pub legal_entity: Option<String>,
    /// Where the company has its seat that controls it; its own, if none does.
    pub parent_country: Option<Country>,
    /// Where data lie.
    pub hosting_country: Option<Country>,
    /// From where they are looked at or administered, besides; may be empty.
    pub remote_access: Option<Vec<Country>>,
    /// What it is towards the hospital.
    pub role: Option<Role>,
    /// What the data are for, in a sentence that a patient understands.
    pub purpose: Option<String>,
    /// On what ground they may be (GDPR Art. 6 and 9).
    pub legal_basis: Option<String>,
    /// Whom to write to.
    pub contact: Option<String>,
    /// The last day of the hospital's permission.
    pub authorised_until: Option<Day>,
    /// What it has been certified for.
    pub certifications: Vec<Certificate>,
    /// SOP Class UIDs that may go there; empty: whatever the profile lets leave.
    pub sop_classes: Vec<String>,
    /// Options of PS3.15 that its profile may have; `None`: any.
    pub options: Option<Vec<String>>,
}

/// What a site allows.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SitePolicy {
    /// Where data may lie, and from where they may be looked at.
    pub countries: Vec<Country>,
    /// Whether the company that controls a destination must have its seat there, too.
    pub no_third_country_parent: bool,
    /// Certificates that every destination must have.
    pub certifications: Vec<Scheme>,
    /// So many days before something expires it is told.
    pub warn_days: u64,
}

/// What is decided about one destination, and by what.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Residency {
    /// `None`: no register is required.
    pub policy: Option<SitePolicy>,
    /// `None`: there is no entry.
    pub entry: Option<Entry>,
}

/// A destination and the profile under which something would go there.
///
/// Clones are one: another profile in force is another for all of them.
#[derive(Clone, Debug, Default)]
pub struct Standing {
    residency: Residency,
    options: Arc<RwLock<Options>>,
}

impl Standing {
    /// What is known of a destination, and the options of its profile.
    pub fn new(residency: Residency, options: Options) -> Self {
        Standing { residency, options: Arc::new(RwLock::new(options)) }
    }

    /// Another profile is in force, with these options.
    pub fn put_under(&self, options: Options) {
        *self.options.write().unwrap_or_else(PoisonError::into_inner) = options;
    }

    /// Why nothing may go there today.
    pub fn blocked(&self) -> Option<Blocked> {
        let options = *self.options.read().unwrap_or_else(PoisonError::into_inner);
        self.residency.decide(Day::today(), options).err()
    }

    /// Days until it is blocked by itself. `None` if nothing expires.
    pub fn days_left(&self) -> Option<i64> {
        self.residency.days_left(Day::today())
    }

    /// Says in the log on stderr what blocks it, or will.
    pub fn tell(&self, destination: &str) {
        if let Some(blocked) = self.blocked() {
            tracing::error!(destination, why = %blocked, "nothing is sent there");
        }
        for (what, day) in self.residency.expiring(Day::today()) {
            tracing::warn!(destination, what, %day, "expires soon; then nothing is sent there");
        }
    }
}

/// Why nothing may go there: each with what to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Blocked(Vec<String>);

/// The ground of a release, as the log has it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Ground {
    /// By what it was decided: `site policy`, `register`, or `no site policy`.
    pub decided_by: String,
    /// See [`Entry`].
    pub legal_entity: String,
    /// See [`Entry`].
    pub parent_country: String,
    /// See [`Entry`].
    pub hosting_country: String,
    /// See [`Entry`].
    pub remote_access: Vec<Country>,
    /// See [`Entry`].
    pub purpose: String,
    /// See [`Entry`].
    pub legal_basis: String,
    /// See [`Entry`].
    pub authorised_until: String,
}

/// Proof that a destination may be sent to on a day. Only [`Residency::decide`] makes one.
pub struct Allowed(Ground);

impl Allowed {
    /// What the log is to say of it.
    pub fn ground(&self) -> &Ground {
        &self.0
    }
}

impl Residency {
    /// Whether anything may go there on a day, under a profile with these options.
    ///
    /// # Errors
    /// [`Blocked`]: all reasons.
    pub fn decide(&self, today: Day, options: Options) -> Result<Allowed, Blocked> {
        let Some(entry) = &self.entry else {
            return match self.policy {
                None => Ok(Allowed(Ground { decided_by: "no site policy".into(), ..Ground::default() })),
                Some(_) => Err(Blocked(vec![
                    "it has no entry in the register: write register: under the destination, or take site_policy: away".into(),
                ])),
            };
        };
        let mut reasons = entry.incomplete();
        reasons.extend(entry.expired(today));
        reasons.extend(entry.options_beyond(options));
        reasons.extend(self.policy.iter().flat_map(|policy| policy.objections_to(entry, today)));
        if reasons.is_empty() {
            let decided_by = if self.policy.is_some() { "site policy" } else { "register" };
            Ok(Allowed(entry.ground(decided_by)))
        } else {
            Err(Blocked(reasons))
        }
    }

    /// Whether an instance of this class may go there.
    pub fn allows_class(&self, sop_class: &str) -> bool {
        let classes = self.entry.as_ref().map(|entry| &entry.sop_classes);
        classes.is_none_or(|classes| classes.is_empty() || classes.iter().any(|c| c == sop_class))
    }

    /// What will block it within the site's time of warning: what, and the last day.
    pub fn expiring(&self, today: Day) -> Vec<(String, Day)> {
        let within = today.after(self.policy.as_ref().map_or(WARN_DAYS, |policy| policy.warn_days));
        let mut last = self.last_days();
        last.retain(|(_, day)| *day >= today && *day <= within);
        last
    }

    /// Days until it is blocked by itself; negative if it is already. `None` if nothing expires.
    pub fn days_left(&self, today: Day) -> Option<i64> {
        self.last_days().into_iter().map(|(_, day)| today.until(day)).min()
    }

    fn last_days(&self) -> Vec<(String, Day)> {
        let Some(entry) = &self.entry else { return Vec::new() };
        let permission = entry.authorised_until.map(|day| ("authorised_until".to_owned(), day));
        let required = self.policy.iter().flat_map(|policy| &policy.certifications);
        let certificates = required.filter_map(|scheme| {
            Some((format!("certification {scheme}"), entry.certified_until(*scheme)?))
        });
        permission.into_iter().chain(certificates).collect()
    }
}

/// How long ahead it is told that something expires, in days, where the site says nothing.
pub const WARN_DAYS: u64 = 60;

impl SitePolicy {
    fn objections_to(&self, entry: &Entry, today: Day) -> Vec<String> {
        let mut reasons = Vec::new();
        let mut must_be_here = |what: &str, country: Option<Country>| {
            if let Some(country) = country.filter(|country| !self.countries.contains(country)) {
                reasons.push(format!("{what} {country} is not among the countries of site_policy"));
            }
        };
        must_be_here("hosting_country", entry.hosting_country);
        for country in entry.remote_access.iter().flatten() {
            must_be_here("remote_access from", Some(*country));
        }
        if self.no_third_country_parent {
            must_be_here("parent_country", entry.parent_country);
        }
        for scheme in &self.certifications {
            match entry.certified_until(*scheme) {
                None => reasons
                    .push(format!("certification {scheme} is required: add it with its until:")),
                Some(until) if until < today => {
                    reasons.push(format!(
                        "certification {scheme} expired on {until}: give the new date"
                    ));
                }
                Some(_) => {}
            }
        }
        reasons
    }
}

impl Entry {
    fn incomplete(&self) -> Vec<String> {
        let missing = [
            ("legal_entity", self.legal_entity.is_none()),
            ("parent_country", self.parent_country.is_none()),
            ("hosting_country", self.hosting_country.is_none()),
            ("remote_access", self.remote_access.is_none()),
            ("role", self.role.is_none()),
            ("purpose", self.purpose.is_none()),
            ("legal_basis", self.legal_basis.is_none()),
            ("contact", self.contact.is_none()),
            ("authorised_until", self.authorised_until.is_none()),
        ];
        let missing = missing.into_iter().filter(|(_, is_missing)| *is_missing);
        missing.map(|(name, _)| format!("register: {name}: is missing")).collect()
    }

    fn expired(&self, today: Day) -> Option<String> {
        let until = self.authorised_until.filter(|until| *until < today)?;
        Some(format!(
            "its authorisation expired on {until}: give the new date in authorised_until:"
        ))
    }

    fn options_beyond(&self, options: Options) -> Option<String> {
        let allowed = self.options.as_ref()?;
        let is_beyond =
            |name: &String| !allowed.iter().any(|known| known.eq_ignore_ascii_case(name));
        let beyond: Vec<String> = options.iter().map(|o| o.to_string()).filter(is_beyond).collect();
        let words = beyond.join(", ");
        (!beyond.is_empty())
            .then(|| format!("its profile has options that the register does not allow: {words}"))
    }

    /// The last day of the certificate that holds longest.
    fn certified_until(&self, scheme: Scheme) -> Option<Day> {
        let of_it = self.certifications.iter().filter(|certificate| certificate.scheme == scheme);
        of_it.map(|certificate| certificate.until).max()
    }

    fn ground(&self, decided_by: &str) -> Ground {
        let text = |text: &Option<String>| text.clone().unwrap_or_default();
        let country = |country: Option<Country>| country.map(String::from).unwrap_or_default();
        Ground {
            decided_by: decided_by.to_owned(),
            legal_entity: text(&self.legal_entity),
            parent_country: country(self.parent_country),
            hosting_country: country(self.hosting_country),
            remote_access: self.remote_access.clone().unwrap_or_default(),
            purpose: text(&self.purpose),
            legal_basis: text(&self.legal_basis),
            authorised_until: self.authorised_until.map(String::from).unwrap_or_default(),
        }
    }
}

impl fmt::Display for Blocked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.join("; "))
    }
}

impl fmt::Display for Scheme {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Scheme::Hds => "HDS",
            Scheme::SecNumCloud => "SecNumCloud",
            Scheme::Iso27001 => "ISO 27001",
        })
    }
}

impl fmt::Display for Country {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.0[0] as char, self.0[1] as char)
    }
}

impl FromStr for Country {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text.as_bytes() {
            // What people write for GB and GR.
            b"UK" => Err("the United Kingdom is GB in ISO 3166-1"),
            b"EL" => Err("Greece is GR in ISO 3166-1"),
            [a, b] if a.is_ascii_uppercase() && b.is_ascii_uppercase() => Ok(Country([*a, *b])),
            _ => Err("two capital letters of ISO 3166-1, for example FR"),
        }
    }
}

impl TryFrom<String> for Country {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<Country> for String {
    fn from(country: Country) -> Self {
        country.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn day(text: &str) -> Day {
        text.parse().unwrap()
    }

    fn country(text: &str) -> Country {
        text.parse().unwrap()
    }

    const TODAY: &str = "2026-11-28";

    fn lab() -> Entry {
        let text = |text: &str| Some(text.to_owned());
        Entry {
            legal_entity: text("Lab SAS"),
            parent_country: Some(country("FR")),
            hosting_country: Some(country("FR")),
            remote_access: Some(vec![country("DE")]),
            role: Some(Role::Processor),
            purpose: text("second reading"),
            legal_basis: text("Art. 9(2)(h)"),
            contact: text("dpo@lab.example"),
            authorised_until: Some(day("2027-01-01")),
            certifications: vec![Certificate { scheme: Scheme::Hds, until: day("2026-12-24") }],
            sop_classes: Vec::new(),
            options: None,
        }
    }

    fn strict() -> SitePolicy {
        SitePolicy {
            countries: EEA.map(country).to_vec(),
            no_third_country_parent: true,
            certifications: vec![Scheme::Hds],
            warn_days: 30,
        }
    }

    fn why(policy: Option<SitePolicy>, entry: Option<Entry>) -> String {
        let decided = Residency { policy, entry }.decide(day(TODAY), Options::default());
        decided.map_or_else(
            |blocked| blocked.to_string(),
            |allowed| allowed.ground().decided_by.clone(),
        )
    }

    #[test]
    fn an_entry_is_required_where_there_is_a_policy_and_heeded_where_there_is_none() {
        assert_eq!(why(None, None), "no site policy");
        assert_eq!(why(None, Some(lab())), "register");
        assert_eq!(why(Some(strict()), Some(lab())), "site policy");
        assert!(why(Some(strict()), None).contains("no entry"));
        for policy in [None, Some(strict())] {
            let missing = why(policy, Some(Entry::default()));
            for name in
                ["legal_entity", "parent_country", "remote_access", "role", "authorised_until"]
            {
                assert!(missing.contains(&format!("register: {name}: is missing")), "{missing}");
            }
        }
    }

    #[test]
    fn what_the_site_does_not_allow_and_what_has_expired_blocks() {
        type Change = fn(&mut Entry);
        let cases: [(Change, &str); 7] = [
            (|e| e.hosting_country = Some(country("US")), "hosting_country US"),
            (|e| e.parent_country = Some(country("US")), "parent_country US"),
            (
                |e| e.remote_access = Some(vec![country("DE"), country("IN")]),
                "remote_access from IN",
            ),
            (|e| e.certifications.clear(), "certification HDS is required"),
            (
                |e| e.certifications[0].until = day("2026-11-27"),
                "certification HDS expired on 2026-11-27",
            ),
            (
                |e| e.authorised_until = Some(day("2026-11-27")),
                "authorisation expired on 2026-11-27",
            ),
            (|e| e.certifications[0].scheme = Scheme::Iso27001, "certification HDS is required"),
        ];
        for (change, words) in cases {
            let mut entry = lab();
            change(&mut entry);
            let said = why(Some(strict()), Some(entry));
            assert!(said.contains(words), "{said}");
        }
        let mut last_day = lab();
        last_day.authorised_until = Some(day(TODAY));
        assert_eq!(why(None, Some(last_day)), "register");
        let lenient = SitePolicy { no_third_country_parent: false, ..strict() };
        let mut daughter = lab();
        daughter.parent_country = Some(country("US"));
        assert_eq!(why(Some(lenient), Some(daughter)), "site policy");
    }

    #[test]
    fn what_expires_is_told_ahead() {
        let residency = Residency { policy: Some(strict()), entry: Some(lab()) };
        let told =
            |day| residency.expiring(day).into_iter().map(|(what, _)| what).collect::<Vec<_>>();
        assert_eq!(told(day(TODAY)), ["certification HDS"]);
        assert_eq!(told(day("2026-12-10")), ["authorised_until", "certification HDS"]);
        assert!(told(day("2026-11-01")).is_empty());
        assert_eq!(residency.days_left(day(TODAY)), Some(26));
        assert_eq!(Residency::default().days_left(day(TODAY)), None);
    }

    #[test]
    fn classes_and_options_are_those_of_the_register() {
        let mut entry = lab();
        entry.sop_classes = vec!["1.2.3".to_owned()];
        entry.options = Some(vec!["Clean Descriptors".to_owned()]);
        let residency = Residency { policy: None, entry: Some(entry) };
        assert!(residency.allows_class("1.2.3") && !residency.allows_class("1.2.4"));
        assert!(Residency::default().allows_class("1.2.4"));
        let with = |option| [option].into_iter().collect::<Options>();
        let decide = |options| residency.decide(day(TODAY), options);
        assert!(decide(Options::default()).is_ok());
        let refused = decide(with(crate::standard::Annex::RetainUids)).map(drop).unwrap_err();
        assert!(refused.to_string().contains("does not allow"), "{refused}");
    }

    #[test]
    fn countries_are_written_as_the_standard_has_them() {
        for text in ["fr", "FRA", "UK", "EL", "", "F1"] {
            assert!(text.parse::<Country>().is_err(), "{text}");
        }
        assert_eq!(country("GB").to_string(), "GB");
    }
}
