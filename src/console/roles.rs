//! Who may do what in the console.

use clap::ValueEnum;
use serde::{Deserialize, Serialize};

/// What somebody is there for. A person may have several.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, ValueEnum,
)]
#[serde(rename_all = "kebab-case")]
pub enum Role {
    /// Watches the flow, puts things back into the queue.
    Operator,
    /// Looks at what stays inside, and decides about it.
    Reviewer,
    /// Writes profiles and proposes them.
    ProfileEditor,
    /// Reads the log.
    Auditor,
    /// Reads the log, keeps the registers.
    DataProtectionOfficer,
}

/// What a question takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Right {
    /// Nothing but an account.
    Look,
    /// To put things back into the queue.
    Operate,
    /// To decide about what stays inside.
    Review,
    /// To see what shows a patient. Takes a reason, too, and stands in the log.
    SeePatients,
    /// To write profiles.
    EditProfiles,
    /// To read the log.
    ReadLog,
    /// To keep the registers of objections, recalls and erasures.
    KeepRegisters,
}

/// Who has which right.
const RIGHTS: [(Right, &[Role]); 6] = [
    (Right::Operate, &[Role::Operator]),
    (Right::Review, &[Role::Reviewer]),
    (Right::SeePatients, &[Role::Reviewer, Role::DataProtectionOfficer]),
    (Right::EditProfiles, &[Role::ProfileEditor]),
    (Right::ReadLog, &[Role::Auditor, Role::DataProtectionOfficer]),
    (Right::KeepRegisters, &[Role::DataProtectionOfficer]),
];

impl Role {
    /// All of them.
    pub const ALL: [Role; 5] = [
        Role::Operator,
        Role::Reviewer,
        Role::ProfileEditor,
        Role::Auditor,
        Role::DataProtectionOfficer,
    ];

    /// As it is written in commands and in the log.
    pub fn name(self) -> &'static str {
        match self {
            Role::Operator => "operator",
            Role::Reviewer => "reviewer",
            Role::ProfileEditor => "profile-editor",
            Role::Auditor => "auditor",
            Role::DataProtectionOfficer => "data-protection-officer",
        }
    }
}

impl Right {
    /// Whether one of these roles has it. What is in no row nobody has, but to look.
    pub fn is_of(self, roles: &[Role]) -> bool {
        let row = RIGHTS.iter().find(|(right, _)| *right == self);
        self == Right::Look || row.is_some_and(|(_, may)| roles.iter().any(|r| may.contains(r)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_right_is_of_the_roles_in_its_row_and_of_no_other() {
        assert!(Right::SeePatients.is_of(&[Role::Auditor, Role::Reviewer]));
        for role in [Role::Operator, Role::ProfileEditor, Role::Auditor] {
            assert!(!Right::SeePatients.is_of(&[role]), "{role:?}");
        }
        assert!(!Right::Operate.is_of(&[]) && Right::Look.is_of(&[]));
        let names: Vec<String> = Role::ALL
            .iter()
            .filter_map(|role| Some(role.to_possible_value()?.get_name().to_owned()))
            .collect();
        assert_eq!(names, Role::ALL.map(Role::name), "commands and the log call them alike");
    }
}
