//! stand-in
use crate::dicom::dataset::Dataset;
use chrono::NaiveDate;
#[derive(Default)]
pub struct Known;
pub struct Retained {
    pub device: bool,
    pub institution: bool,
}
impl Known {
    pub fn observe(&mut self, _s: &Dataset) {}
    pub fn merge(&mut self, _o: Known) {}
    pub fn cleaner(&self, _r: Retained) -> Cleaner {
        Cleaner
    }
}
pub struct Cleaner;
impl Cleaner {
    pub fn nothing_known() -> Cleaner {
        Cleaner
    }
    pub fn descriptor(&self, _t: &str, _d: TextDates<'_>) -> Cleaned {
        Cleaned::Nothing
    }
    pub fn kept(&self, _t: &str, _d: TextDates<'_>) -> Cleaned {
        Cleaned::Unchanged
    }
}
pub enum TextDates<'a> {
    Remove,
    Keep,
    Shift(&'a dyn Fn(NaiveDate) -> Option<NaiveDate>),
    Year,
}
pub enum Cleaned {
    Unchanged,
    Changed(String),
    Nothing,
}
