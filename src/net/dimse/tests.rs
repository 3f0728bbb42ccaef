//! Commands written and read, and bytes that are none.

use super::set::{DATA_SET, Writer, element, field};
use super::*;
use proptest::prelude::*;

fn a_uid() -> impl Strategy<Value = Option<Uid>> {
    proptest::option::of("1(\\.[1-9][0-9]{0,6}){1,8}".prop_map(|text| text.parse().unwrap()))
}

fn a_command() -> impl Strategy<Value = Command> {
    let status = any::<u16>().prop_map(Status::from_code);
    prop_oneof![
        any::<u16>().prop_map(|message_id| Command::EchoRq { message_id }),
        (any::<u16>(), status.clone())
            .prop_map(|(responded_to, status)| Command::EchoRsp { responded_to, status }),
        (any::<u16>(), a_uid(), a_uid(), any::<bool>()).prop_map(
            |(message_id, sop_class, sop_instance, has_data_set)| Command::StoreRq(StoreRq {
                message_id,
                sop_class,
                sop_instance,
                has_data_set,
            })
        ),
        (any::<u16>(), a_uid(), a_uid(), status.clone()).prop_map(
            |(responded_to, sop_class, sop_instance, status)| Command::StoreRsp(StoreRsp {
                responded_to,
                sop_class,
                sop_instance,
                status,
                comment: None,
            })
        ),
        (any::<u16>(), a_uid(), a_uid(), any::<u16>(), any::<bool>()).prop_map(
            |(message_id, sop_class, sop_instance, action_type, has_data_set)| {
                Command::ActionRq(ActionRq {
                    message_id,
                    sop_class,
                    sop_instance,
                    action_type,
                    has_data_set,
                })
            }
        ),
        (any::<u16>(), status.clone(), any::<bool>()).prop_map(
            |(responded_to, status, has_data_set)| Command::FindRsp {
                responded_to,
                status,
                has_data_set,
            }
        ),
        (any::<u16>(), status, any::<bool>(), any::<[u16; 3]>()).prop_map(
            |(responded_to, status, has_data_set, [completed, failed, warning])| {
                let suboperations = SubOperations { completed, failed, warning };
                Command::MoveRsp { responded_to, status, has_data_set, suboperations }
            }
        ),
        (any::<u16>(), any::<bool>()).prop_map(|(message_id, has_data_set)| {
            Command::OtherRq { field: 0x0020, message_id, has_data_set }
        }),
    ]
}

proptest! {
    #[test]
    fn net_dimse_round_trip(command in a_command()) {
        prop_assert_eq!(Command::decode(&command.encode()), Ok(command));
    }

    #[test]
    fn net_dimse_arbitrary_bytes_never_panic(set in proptest::collection::vec(any::<u8>(), 0..400)) {
        let _ = Command::decode(&set);
    }

    #[test]
    fn net_dimse_damaged_sets_never_panic(
        command in a_command(),
        damage in proptest::collection::vec((any::<usize>(), any::<u8>()), 1..6),
        cut in any::<usize>(),
    ) {
        let mut set = command.encode();
        for (at, byte) in damage {
            let at = at % set.len();
            set[at] = byte;
        }
        let _ = Command::decode(&set);
        let _ = Command::decode(&set[..cut % set.len()]);
    }
}

#[test]
fn a_command_set_is_refused_with_its_reason() {
    let good = Command::EchoRq { message_id: 7 }.encode();
    assert_eq!(Command::decode(&good[..good.len() - 1]), Err(Malformed::GroupLength));
    assert_eq!(Command::decode(&good[12..]), Err(Malformed::GroupLength));
    assert_eq!(Command::decode(&[]), Err(Malformed::Truncated));

    let mut huge = good.clone();
    huge[16..20].copy_from_slice(&u32::MAX.to_le_bytes());
    assert_eq!(Command::decode(&huge), Err(Malformed::Truncated));

    let mut twice = Writer::default();
    twice.number(element::MESSAGE_ID, 1);
    twice.number(element::MESSAGE_ID, 1);
    assert_eq!(Command::decode(&twice.finish()), Err(Malformed::Order));

    let mut bare = Writer::default();
    bare.number(element::COMMAND_FIELD, field::C_ECHO_RQ);
    assert_eq!(Command::decode(&bare.finish()), Err(Malformed::Missing));
}

#[test]
fn a_hostile_uid_is_no_uid() {
    for hostile in ["../../etc/x", "1.2\n3", "1.2.\u{1b}[31m", ""] {
        let mut set = Writer::default();
        set.number(element::COMMAND_FIELD, field::C_STORE_RQ);
        set.number(element::MESSAGE_ID, 1);
        set.number(element::DATA_SET_TYPE, DATA_SET);
        set.text(element::AFFECTED_SOP_INSTANCE_UID, hostile, 0);
        let Ok(Command::StoreRq(rq)) = Command::decode(&set.finish()) else {
            panic!("not a C-STORE-RQ")
        };
        assert_eq!(rq.sop_instance, None);
    }
}

#[test]
fn the_assembler_has_a_limit() {
    let mut assembler = Assembler::default();
    assert!(assembler.push(&vec![0; COMMAND_BYTES_MAX]));
    assert!(!assembler.push(&[0]));
}
