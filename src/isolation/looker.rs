//! Draws for a person who may look, in a process of its own: what it reads may have been made to break readers. It has
//! the files of that picture to read, no network, no key, so much memory and time; it gives away pixels, and the picture
//! is made of them by whoever has started it.

use super::LOOKER;
use super::child::{Child, Heard};
use super::confine::{Bounds, Reach, Rights, Strictness, confine, end_with};
use super::ending::Ending;
use super::worker::or_not_confined;
use crate::look::{Drawn, Wanted, draw};
use crate::pipe::{hear, say};
use data_encoding::BASE64;
use serde::{Deserialize, Serialize};
use std::io::{self, BufReader};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, Instant};

/// How long one picture may take.
const LIMIT: Duration = Duration::from_secs(60);
const BOUNDS: Bounds =
    Bounds { memory_bytes: 2 << 30, cpu_s: Some(LIMIT.as_secs()), file_bytes: 0, files: 1024 };
/// The most pixels of a picture.
const PIXELS_MAX: u64 = 256 << 20;

#[derive(Serialize, Deserialize)]
struct LookOrders {
    wanted: Wanted,
    strictness: Strictness,
    /// The process whose end is the looker's.
    parent: u32,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Said {
    Drawn { columns: u32, rows: u32, of: u64, pixels: String },
    Not(String),
}

/// Has something drawn by a process that has nothing to lose.
///
/// # Errors
/// In words: it cannot be drawn, or the process died of it.
pub fn look(wanted: Wanted, strictness: Strictness) -> Result<Drawn, String> {
    let said = ask(LookOrders { wanted, strictness, parent: std::process::id() });
    match said.map_err(|error| format!("the process that draws it: {error}"))? {
        Said::Not(why) => Err(why),
        Said::Drawn { columns, rows, of, pixels } => {
            let bytes = BASE64.decode(pixels.as_bytes()).ok();
            let wanted = u64::from(columns) * u64::from(rows);
            let fits = |bytes: &Vec<u8>| wanted <= PIXELS_MAX && bytes.len() as u64 == wanted * 3;
            let bytes = bytes
                .filter(fits)
                .ok_or("the process that drew it did not say what it looks like")?;
            Ok(Drawn { columns, rows, bytes, of })
        }
    }
}

fn ask(orders: LookOrders) -> io::Result<Said> {
    let mut looker: Child<Said> = Child::start(LOOKER, false, None)?;
    looker.say(&orders)?;
    let until = Instant::now() + LIMIT;
    loop {
        match looker.hear() {
            Heard::Word(said) => return Ok(said),
            Heard::End => return Err(looker.wait()?.into()),
            Heard::Silence if Instant::now() >= until => {
                looker.kill()?;
                return Err(Ending::Crashed("it was not done in time".to_owned()).into());
            }
            Heard::Silence => {}
        }
    }
}

/// Is such a process: reads its orders, is confined, draws, says what it looks like.
///
/// # Errors
/// In words: there were no orders. [`ExitCode`] 70: nothing was begun.
pub fn be_looker() -> Result<ExitCode, Box<dyn std::error::Error>> {
    let mut input = BufReader::new(io::stdin());
    let LookOrders { wanted, strictness, parent } = hear(&mut input)?.ok_or_else(|| {
        format!("efface {LOOKER} is for efface alone: see efface quarantine picture")
    })?;
    end_with(Some(parent))?;
    let confined = confine(&rights(&wanted), Reach::Nobody, &BOUNDS, strictness);
    if confined.is_err() {
        return Ok(or_not_confined(confined));
    }
    let said = match draw(&wanted) {
        Ok(Drawn { columns, rows, bytes, of }) => {
            Said::Drawn { columns, rows, of, pixels: BASE64.encode(&bytes) }
        }
        Err(error) => Said::Not(error.to_string()),
    };
    say(&mut io::stdout(), &said)?;
    Ok(ExitCode::SUCCESS)
}

/// These files, and no directory.
fn rights(wanted: &Wanted) -> Vec<(Rights, PathBuf)> {
    let read = |path: &PathBuf| (Rights::Read, path.clone());
    match wanted {
        Wanted::Slice { instances, .. } => {
            let files = instances.iter().flat_map(|(entry, parcel)| [Some(entry), parcel.as_ref()]);
            files.flatten().map(read).collect()
        }
        Wanted::Surface(path) => vec![read(path)],
    }
}
