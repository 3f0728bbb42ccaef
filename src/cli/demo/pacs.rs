//! The PACS of the demo: a C-STORE SCU on dicom-ul, which shares no code with the gateway's wire.

use super::study::DemoStudy;
use crate::cli::Problem;
use dicom_core::{DataElement, PrimitiveValue, VR};
use dicom_dictionary_std::{tags, uids};
use dicom_object::InMemDicomObject;
use dicom_transfer_syntax_registry::entries::{
    EXPLICIT_VR_LITTLE_ENDIAN, IMPLICIT_VR_LITTLE_ENDIAN,
};
use dicom_ul::ClientAssociationOptions;
use dicom_ul::pdu::{PDataValue, PDataValueType, Pdu};
use std::io::Write;
use std::net::SocketAddr;

/// The PACS's AE title.
pub const AE_TITLE: &str = "PACS";

/// Sends a study over one association.
///
/// # Errors
/// When the gateway does not accept it or does not acknowledge an instance.
pub fn send(to: SocketAddr, study: &DemoStudy, mut sent: impl FnMut()) -> Result<(), Problem> {
    let mut association = ClientAssociationOptions::new()
        .calling_ae_title(AE_TITLE)
        .called_ae_title("EFFACE")
        .with_presentation_context(uids::CT_IMAGE_STORAGE, vec![uids::EXPLICIT_VR_LITTLE_ENDIAN])
        .establish(to)?;
    let contexts = association.presentation_contexts();
    let context = contexts.first().ok_or("the gateway accepted no presentation context")?.id;
    for (number, (file, instance)) in study.files.iter().zip(&study.instances).enumerate() {
        let object = dicom_object::open_file(file)?;
        let mut dataset = Vec::new();
        object.write_dataset_with_ts(&mut dataset, &EXPLICIT_VR_LITTLE_ENDIAN.erased())?;
        let command = command(number as u16 + 1, instance)?;
        association.send(&Pdu::PData {
            data: vec![PDataValue {
                presentation_context_id: context,
                value_type: PDataValueType::Command,
                is_last: true,
                data: command,
            }],
        })?;
        let mut data = association.send_pdata(context);
        data.write_all(&dataset)?;
        drop(data); // sends what is left as the last fragment
        acknowledged(&association.receive()?)?;
        sent();
    }
    Ok(association.release()?)
}

/// C-STORE-RQ (PS3.7 9.3.1.1).
fn command(message: u16, instance: &str) -> Result<Vec<u8>, Problem> {
    let text = |tag, value: &str| DataElement::new(tag, VR::UI, PrimitiveValue::from(value));
    let number = |tag, value: u16| DataElement::new(tag, VR::US, PrimitiveValue::from(value));
    let command = InMemDicomObject::command_from_element_iter([
        text(tags::AFFECTED_SOP_CLASS_UID, uids::CT_IMAGE_STORAGE),
        number(tags::COMMAND_FIELD, 0x0001),
        number(tags::MESSAGE_ID, message),
        number(tags::PRIORITY, 0x0000),
        number(tags::COMMAND_DATA_SET_TYPE, 0x0000),
        text(tags::AFFECTED_SOP_INSTANCE_UID, instance),
    ]);
    let mut bytes = Vec::new();
    command.write_dataset_with_ts(&mut bytes, &IMPLICIT_VR_LITTLE_ENDIAN.erased())?;
    Ok(bytes)
}

/// Whether a C-STORE-RSP says success.
fn acknowledged(response: &Pdu) -> Result<(), Problem> {
    let Pdu::PData { data } = response else {
        return Err("the gateway ended the association".into());
    };
    let bytes = &data.first().ok_or("an empty response")?.data;
    let syntax = IMPLICIT_VR_LITTLE_ENDIAN.erased();
    let response = InMemDicomObject::read_dataset_with_ts(bytes.as_slice(), &syntax)?;
    match response.element(tags::STATUS)?.to_int::<u16>()? {
        0 => Ok(()),
        status => Err(format!("the gateway refused an instance: status {status:04X}H").into()),
    }
}
