//! Times and sizes: keys of the configuration itself, each with a value of its own where it is left out.

use super::values::value;
use super::{RawConfig, Settling};
use crate::pipeline::FACE_LIMIT;
use serde::{Deserialize, Serialize};

/// Times and sizes. Everything has a maximum.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Limits {
    /// Seconds without a new instance after which a study is closed.
    pub quiet_period_s: f64,
    /// Hours for which identified originals are kept after delivery.
    pub retain_delivered_h: f64,
    /// Bytes of disk that reception never uses.
    pub disk_reserve_bytes: u64,
    /// Bytes of the largest instance.
    pub instance_bytes_max: u64,
    /// Associations at a time.
    pub associations_max: usize,
    /// Seconds for an association to be asked for.
    pub artim_s: u64,
    /// Seconds without a PDU after which an association ends.
    pub idle_s: u64,
    /// Seconds for one instance to come in or go out.
    pub message_s: u64,
    /// Seconds for which a series may be in the face stage; then it stays inside.
    pub face_s: f64,
    /// Seconds for all of a study; then it stays inside.
    pub worker_s: f64,
    /// Bytes of memory for the worker of one study.
    pub worker_memory_bytes: u64,
    /// Seconds that running associations get to finish when efface stops.
    pub drain_s: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Limits {
            quiet_period_s: 60.0,
            retain_delivered_h: 24.0,
            disk_reserve_bytes: 2 << 30,
            instance_bytes_max: 4 << 30,
            associations_max: 50,
            artim_s: 30,
            idle_s: 60,
            message_s: 600,
            face_s: FACE_LIMIT.as_secs_f64(),
            worker_s: 7200.0,
            worker_memory_bytes: 4 << 30,
            drain_s: 10,
        }
    }
}

impl Settling<'_> {
    pub(super) fn limits(&mut self, raw: &RawConfig) -> Limits {
        let standard = Limits::default();
        Limits {
            quiet_period_s: self.seconds(&raw.quiet_period_s, standard.quiet_period_s, 86_400.0),
            retain_delivered_h: self.seconds(
                &raw.retain_delivered_h,
                standard.retain_delivered_h,
                87_600.0,
            ),
            disk_reserve_bytes: value(&raw.disk_reserve_bytes, standard.disk_reserve_bytes),
            instance_bytes_max: value(&raw.instance_bytes_max, standard.instance_bytes_max),
            associations_max: self.count(&raw.associations_max, standard.associations_max, 1000),
            artim_s: value(&raw.artim_s, standard.artim_s),
            idle_s: value(&raw.idle_s, standard.idle_s),
            message_s: value(&raw.message_s, standard.message_s),
            face_s: self.seconds(&raw.face_s, standard.face_s, 86_400.0),
            worker_s: self.seconds(&raw.worker_s, standard.worker_s, 604_800.0),
            worker_memory_bytes: value(&raw.worker_memory_bytes, standard.worker_memory_bytes),
            drain_s: value(&raw.drain_s, standard.drain_s),
        }
    }
}
