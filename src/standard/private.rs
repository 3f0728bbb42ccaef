//! stand-in
pub fn is_safe_private(_c: &str, _g: u16, _l: u8) -> bool {
    false
}
pub fn safe_private_vr(_c: &str, _g: u16, _l: u8) -> Option<dicom_core::VR> {
    None
}
