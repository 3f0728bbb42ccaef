//! Where the devices of a site write text into their images.

use crate::dicom::dataset::Dataset;
use crate::pixel::{Frames, Region};
use dicom_dictionary_std::tags;

/// What is to be blanked in the images of one device at one image size.
///
/// A device that isn't known, or that made an image of another size, has no rule: its images stay
/// inside. A mask for another size would miss the text.
#[derive(Clone, Debug, PartialEq)]
pub struct DeviceRegions {
    /// Manufacturer (0008,0070), without regard to case.
    pub manufacturer: String,
    /// Manufacturer's Model Name (0008,1090), likewise.
    pub model: String,
    /// Station Name (0008,1010), if the rule is for one station only.
    pub station: Option<String>,
    /// SOP Class UIDs; empty: all.
    pub sop_classes: Vec<String>,
    /// Rows (0028,0010).
    pub rows: u16,
    /// Columns (0028,0011).
    pub columns: u16,
    /// What is blanked; nothing, if somebody looked and the device writes nothing.
    pub blank: Vec<(Region, Frames)>,
    /// Who looked at such images, and when.
    pub because: String,
    /// Line in the profile.
    pub line: u64,
}

/// What an object says of the device that made it.
#[derive(Clone, Debug, Default)]
pub struct Device {
    sop_class: String,
    manufacturer: String,
    model: String,
    station: String,
    size: Option<(u16, u16)>,
}

impl Device {
    /// Reads it from a source data set.
    pub fn of(source: &Dataset, sop_class: &str) -> Self {
        let text = |tag| source.text(tag).unwrap_or_default();
        let number = |tag| source.number(tag).and_then(|n| u16::try_from(n as i64).ok());
        Device {
            sop_class: sop_class.to_owned(),
            manufacturer: text(tags::MANUFACTURER),
            model: text(tags::MANUFACTURER_MODEL_NAME),
            station: text(tags::STATION_NAME),
            size: number(tags::ROWS).zip(number(tags::COLUMNS)),
        }
    }
}

impl DeviceRegions {
    /// Whether it is about such a device and image size.
    pub fn fits(&self, device: &Device) -> bool {
        let same = |a: &str, b: &str| a.trim().eq_ignore_ascii_case(b.trim());
        same(&self.manufacturer, &device.manufacturer)
            && same(&self.model, &device.model)
            && self.station.as_ref().is_none_or(|station| same(station, &device.station))
            && (self.sop_classes.is_empty() || self.sop_classes.contains(&device.sop_class))
            && device.size == Some((self.rows, self.columns))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use dicom_core::{DataElement, PrimitiveValue, VR};

    #[test]
    fn a_rule_is_for_one_device_and_one_image_size() {
        let rule = DeviceRegions {
            manufacturer: "ACME".to_owned(),
            model: "Echo 9".to_owned(),
            station: None,
            sop_classes: Vec::new(),
            rows: 600,
            columns: 800,
            blank: Vec::new(),
            because: "seen by two people".to_owned(),
            line: 1,
        };
        let device = |model: &str, rows: u16| {
            let mut source = Dataset::new();
            source.put_text(tags::MANUFACTURER, VR::LO, "Acme ");
            source.put_text(tags::MANUFACTURER_MODEL_NAME, VR::LO, model);
            for (tag, number) in [(tags::ROWS, rows), (tags::COLUMNS, 800)] {
                source.put(DataElement::new(tag, VR::US, PrimitiveValue::from(number)));
            }
            Device::of(&source, "1.2.3")
        };
        assert!(rule.fits(&device("echo 9", 600)));
        assert!(!rule.fits(&device("echo 9", 601)));
        assert!(!rule.fits(&device("echo 10", 600)));
        assert!(!rule.fits(&Device::default()));
        let station = DeviceRegions { station: Some("US1".to_owned()), ..rule };
        assert!(!station.fits(&device("echo 9", 600)));
    }
}
