//! lab
mod body; mod cells; mod drawn; mod fault; mod field; mod mirror; mod relief; mod search; mod space;
pub use fault::FaceFault;
pub use space::SlicePlace;
use cells::{Cell, Lattice, Levels, Samples, SliceCount};
use std::sync::{Mutex, PoisonError};
/// What values mean.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Scale {
    /// CT
    Hounsfield,
    /// MR
    Arbitrary {
        /// lowest
        low: f32,
        /// highest
        high: f32 },
}
/// audit
pub struct FaceAudit { places: Vec<SlicePlace>, scale: Scale, levels: Levels, lattice: Lattice, seen: Mutex<Seen> }
struct Seen { cells: Vec<Cell>, slices: Vec<Option<SliceCount>>, fault: Option<FaceFault> }
impl FaceAudit {
    /// new
    pub fn new(places: Vec<SlicePlace>, scale: Scale) -> Result<Self, FaceFault> {
        for (i, p) in places.iter().enumerate() { p.require_valid(i)?; }
        let lattice = Lattice::enclosing(&places)?;
        let levels = Levels::of(scale)?;
        let cells = vec![Cell::default(); lattice.size.iter().product()];
        let slices = vec![None; places.len()];
        Ok(FaceAudit { places, scale, levels, lattice, seen: Mutex::new(Seen { cells, slices, fault: None }) })
    }
    /// add
    pub fn add(&self, slice: usize, before: &[i32], after: &[i32], slope: f64, intercept: f64, inverted: bool, fill: i32) -> Result<(), FaceFault> {
        let place = &self.places[slice];
        let samples = Samples { before, after, slope, intercept, inverted, fill };
        let (patch, count) = cells::sum_up(place, &samples, &self.lattice, &self.levels).map_err(|samples| FaceFault::NotFill { slice, samples })?;
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        patch.merge_into(&mut seen.cells, &self.lattice);
        seen.slices[slice] = Some(count);
        Ok(())
    }
    /// lab
    pub fn lab(self) -> Result<(), FaceFault> {
        let seen = self.seen.into_inner().unwrap_or_else(PoisonError::into_inner);
        let t = std::time::Instant::now();
        let field = field::Field::near_change(&seen.cells, &self.lattice, &self.places)?;
        println!("  field {:?} cell {} {:?}", field.size, field.cell, t.elapsed());
        let body = body::Body::find(&field, self.scale, &self.levels)?;
        println!("  level {} body {} surface {} {:?}", body.level, body.before.iter().filter(|b| **b).count(), body.surface.len(), t.elapsed());
        let ms = mirror::mirrors(&field, &body);
        println!("  mirrors {:?}", t.elapsed());
        let removed: Vec<usize> = (0..field.len()).filter(|&i| body.before[i] && !body.after[i]).collect();
        let middle: [f32;3] = std::array::from_fn(|a| removed.iter().map(|&i| field.point(i)[a]).sum::<f32>() / removed.len() as f32);
        for m in &ms {
            let mut s = search::around(&field, &body.surface, m, middle);
            s.sort_by(|a, b| b.likeness.total_cmp(&a.likeness));
            println!("  mirror error {:.3} normal {:.2?} {:?}", m.error, field.direction_in_patient(m.normal), t.elapsed());
            let mut shown: Vec<search::Sighting> = vec![];
            for x in s { if shown.len() < 4 && shown.iter().all(|y| space::dot(y.front, x.front) < 0.8 || space::dot(y.up, x.up) < 0.0) { shown.push(x);
                println!("     like {:.3} amount {:.2} shown {:.2} front {:.2?} up {:.2?} nose {:.0?}", x.likeness, x.amount, x.shown, field.direction_in_patient(x.front), field.direction_in_patient(x.up), field.to_patient(x.nose)); } }
        }
        let p = field.to_patient(middle);
        println!("  removed {} middle {:.0?}", removed.len(), p);
        Ok(())
    }
}
