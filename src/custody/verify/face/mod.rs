//! lab
mod body; mod cells; mod frame; mod views; mod drawn; mod fault; mod field; mod mirror; mod relief; mod search; mod space;
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
    pub fn lab(self, name: &str) -> Result<(), FaceFault> {
        let seen = self.seen.into_inner().unwrap_or_else(PoisonError::into_inner);
        let t = std::time::Instant::now();
        let field = field::Field::near_change(&seen.cells, &self.lattice, &self.places)?;
        println!("  field {:?} cell {} {:?}", field.size, field.cell, t.elapsed());
        let body = body::Body::find(&field, self.scale, &self.levels)?;
        println!("  level {} body {} surface {} {:?}", body.level, body.before.iter().filter(|b| **b).count(), body.surface.len(), t.elapsed());
        let removed: Vec<usize> = (0..field.len()).filter(|&i| body.before[i] && !body.after[i]).collect();
        let head = frame::HeadFrame::find(&field, &body, &removed)?;
        println!("  head front {:.2?} up {:.2?} nose {:.0?} like {:.3} mirror {:.3} {:?}", field.direction_in_patient(head.front), field.direction_in_patient(head.up), field.to_patient(head.nose), head.likeness, head.mirror_error, t.elapsed());
        let part = |p: [f32;3]| p[0].abs() < 60.0 && p[1] > -70.0 && p[2] > -65.0 && p[2] < 50.0;
        let bone = self.levels.level(250.0);
        for v in views::FRONTAL {
            let a = views::View::of(&field, &field.before, body.level, &head, v);
            let b = views::View::of(&field, &field.after, body.level, &head, v);
            let px = a.showing(&head, part);
            let mut line = format!("   view {v:?} px {} like {:.2} fine {:.2} unmoved {:.3}", px.len(), views::likeness(&a, &b, &px), views::fine(&a, &b, &px), views::unmoved(&a, &b, &px, 4.0));
            if self.scale == Scale::Hounsfield {
                let a = views::View::of(&field, &field.before, bone, &head, v);
                let b = views::View::of(&field, &field.after, bone, &head, v);
                let px = a.showing(&head, |p| p[0].abs() < 50.0 && p[1] > -80.0 && p[2] > -65.0 && p[2] < 50.0);
                line += &format!(" | bone px {} like {:.2} fine {:.2} unmoved {:.3}", px.len(), views::likeness(&a, &b, &px), views::fine(&a, &b, &px), views::unmoved(&a, &b, &px, 4.0));
            }
            println!("{line}");
        }
        // skin survival by height
        let near: Vec<bool> = { let mut n = vec![false; field.len()]; for i in 0..field.len() { if body.after[i] && (field.beside(i).iter().flatten().any(|&k| !body.after[k] && field.inside[k])) { n[i] = true; for k in field.beside(i).into_iter().flatten() { n[k] = true; } } } n };
        let mut line = String::new();
        for lo in [-70, -50, -30, -10, 10, 30, 50, 70] {
            let z = |p: [f32;3]| p[2] >= lo as f32 && p[2] < lo as f32 + 20.0 && p[0].abs() < 60.0 && p[1] > -60.0;
            let cells: Vec<usize> = body.surface.iter().copied().filter(|&i| z(head.local(field.point(i)))).collect();
            let left = cells.iter().filter(|&&i| near[i]).count();
            line += &format!(" {lo}:{left}/{}", cells.len());
        }
        println!("   skin {line} {:?}", t.elapsed());
        // after: sightings
        let open = body::open_air(&field, &body.after);
        let surf: Vec<usize> = (0..field.len()).filter(|&i| body.after[i] && field.beside(i).into_iter().flatten().any(|n| open[n] && field.inside[n])).collect();
        let m = mirror::Mirror { normal: head.side, offset: space::dot(head.nose, head.side), error: 0.0 };
        let s = search::around(&field, &surf, &m, head.nose);
        if let Some(x) = s.iter().filter(|x| (0.35..2.2).contains(&x.amount) && space::dot(x.front, head.front) > 0.5).max_by(|a, b| a.likeness.total_cmp(&b.likeness)) {
            println!("   after likeness {:.3} amount {:.2} shown {:.2} front {:.2?} up {:.2?} {:?}", x.likeness, x.amount, x.shown, field.direction_in_patient(x.front), field.direction_in_patient(x.up), t.elapsed()); }
        let whole = body.before.iter().filter(|b| **b).count();
        let gone: Vec<bool> = (0..field.len()).map(|i| body.before[i] && !body.after[i]).collect();
        let piece = body::largest(&field, &gone).iter().filter(|b| **b).count();
        println!("   removed {:.3} connected {:.3}", removed.len() as f32 / whole as f32, piece as f32 / removed.len().max(1) as f32);
        let c = space::along(head.nose, -50.0, head.front);
        dump(&field, &field.before, body.level, c, head.side, head.front, head.up, &format!("{name}_a"));
        dump(&field, &field.after, body.level, c, head.side, head.front, head.up, &format!("{name}_b"));
        Ok(())
    }
}
fn dump(field: &field::Field, values: &[f32], level: f32, c: [f32;3], n: [f32;3], f: [f32;3], u: [f32;3], name: &str) {
    // height map 2 mm px 160x160
    let px = 1.0; let s = 260i32;
    let mut out = format!("P5 {s} {s} 255\n").into_bytes();
    for r in 0..s { for q in 0..s {
        let base = space::along(space::along(c, (q - s/2) as f32 * px, n), (s/2 - r) as f32 * px, u);
        let mut hit = None;
        for t in 0..200 { let d = 150.0 - t as f32 * 1.5; let p = space::along(base, d, f);
            if field.sample(values, p).is_some_and(|v| v > level) { hit = Some((p, d)); break; } }
        let v = match hit { None => 10.0, Some((p, _)) => {
            // normal from gradient
            let g: [f32;3] = std::array::from_fn(|a| { let mut e = [0.0;3]; e[a] = 3.0; let h = |q| field.sample(values, q).unwrap_or(0.0); h(space::along(p,-1.0,e)) - h(space::along(p,1.0,e)) });
            let g = space::unit(g); let l = space::unit(space::along(space::along(f, -0.3, n), 0.5, u)); 40.0 + 200.0 * space::dot(g, l).max(0.0) } };
        out.push(v as u8);
    } }
    std::fs::write(format!("/tmp/va/pic/{name}.pgm"), out).unwrap();
}
