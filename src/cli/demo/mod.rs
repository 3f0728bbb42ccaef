//! `efface demo`: the whole way on one machine, with nothing installed.
//!
//! A PACS, the gateway and the outside server are three parts of this one process, and talk over
//! real sockets. The study is a phantom made from an average head; its header is full of made-up
//! identity.

mod outside;
mod pacs;
mod study;

use super::Problem;
use super::serve::log_to_stderr;
use crate::audit::{self, Event, Record};
use crate::config::{self, Settings};
use crate::custody::object::FrameIndex;
use crate::deface::{Contrast, Rescale, Slice, Survey, Volume};
use crate::dicom::canonical::Limits;
use crate::dicom::dataset::Dataset;
use crate::dicom::facts::FrameFacts;
use crate::dicom::plane::ImagePlane;
use crate::dicom::source::Source;
use crate::disk;
use crate::key::RootKey;
use crate::render;
use crate::service::Gateway;
use clap::Args;
use dicom_core::Tag;
use dicom_core::dictionary::{DataDictionary, DataDictionaryEntry};
use dicom_dictionary_std::{StandardDataDictionary, tags};
use indicatif::{ProgressBar, ProgressStyle};
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, Instant};
use study::DemoStudy;

/// Makes keys and a configuration, starts the gateway and a receiving server that stands for the
/// outside, sends a head CT as a PACS would, and shows what left.
#[derive(Args)]
#[command(after_help = "Example:\n  efface demo --dir /tmp/efface-demo")]
pub struct DemoArgs {
    /// Folder for everything that the demo makes; it must not exist. Default: a new temporary one
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,
    /// Millimetres between voxels of the head
    #[arg(long, value_name = "MM", default_value_t = 2.0, value_parser = voxel_size)]
    voxels: f64,
}

/// How long the demo waits for the study to arrive.
const PATIENCE: Duration = Duration::from_secs(180);

/// Attributes that the table shows.
const SHOWN: [Tag; 16] = [
    tags::PATIENT_NAME,
    tags::PATIENT_ID,
    tags::PATIENT_BIRTH_DATE,
    tags::PATIENT_SEX,
    tags::ACCESSION_NUMBER,
    tags::STUDY_DATE,
    tags::STUDY_DESCRIPTION,
    tags::INSTITUTION_NAME,
    tags::REFERRING_PHYSICIAN_NAME,
    tags::STATION_NAME,
    tags::DEVICE_SERIAL_NUMBER,
    tags::STUDY_INSTANCE_UID,
    tags::SOP_INSTANCE_UID,
    tags::PATIENT_IDENTITY_REMOVED,
    tags::RECOGNIZABLE_VISUAL_FEATURES,
    tags::LONGITUDINAL_TEMPORAL_INFORMATION_MODIFIED,
];

/// Runs the demo.
///
/// # Errors
/// What went wrong, in words.
pub fn run(args: &DemoArgs) -> Result<ExitCode, Problem> {
    let folder = folder(args)?;
    log_to_stderr(false);
    println!("1. A state folder, a root key and a configuration: {}", folder.display());
    let outside = outside::Server::start(&folder.join("outside"))?;
    let settings = prepare(&folder, outside.address())?;
    let gateway = Gateway::start(settings)?;
    println!(
        "2. The gateway listens on {}, the outside server on {}",
        gateway.address(),
        outside.address()
    );

    println!("3. A head CT of nobody (the average of many heads) with a made-up identity is sent");
    let study = DemoStudy::make(&folder.join("pacs"), args.voxels)?;
    let progress = bar(study.files.len(), "sending  ");
    pacs::send(gateway.address(), &study, || progress.inc(1))?;
    progress.finish();

    println!("4. De-identified, defaced, verified, logged, forwarded");
    let progress = bar(study.files.len(), "arriving ");
    let arrived = wait(&outside, study.files.len(), &progress);
    progress.finish();
    gateway.stop()?;
    outside.stop();

    let arrived =
        arrived.ok_or("not everything arrived. See: efface quarantine ls --state STATE")?;
    show_attributes(&study.files[0], &arrived)?;
    show_log(&folder.join("state/audit"))?;
    let picture = folder.join("before-after.png");
    draw(&study.files, &arrived, &picture)?;
    println!("\nThe surface of the head before (above) and after (below): {}", picture.display());
    println!("What the outside server holds: {}", folder.join("outside").display());
    Ok(ExitCode::SUCCESS)
}

fn folder(args: &DemoArgs) -> Result<PathBuf, Problem> {
    let folder = match &args.dir {
        Some(folder) if folder.exists() => {
            return Err(format!("{} exists. Name a folder that does not", folder.display()).into());
        }
        Some(folder) => folder.clone(),
        None => std::env::temp_dir().join(format!("efface-demo-{}", crate::spool::random_name()?)),
    };
    disk::make_dir(&folder)?;
    Ok(folder)
}

/// The files that an administrator would write, and the settings that efface reads from them.
fn prepare(folder: &Path, outside: SocketAddr) -> Result<Settings, Problem> {
    RootKey::generate()?.create_file(&folder.join("root.key"))?;
    let config = format!(
        "efface_config: 1\n\
         state: {folder}/state\n\
         key_file: {folder}/root.key\n\
         listen: 127.0.0.1:0\n\
         ae_title: EFFACE\n\
         allow:\n  - {{ ae_title: {pacs}, from: [127.0.0.1] }}\n\
         destinations:\n  - {{ name: outside, to: {title}@{outside}, project: demo, profile: basic }}\n\
         quiet_period_s: 1\n\
         disk_reserve_bytes: 0\n\
         # A demo goes on where the kernel cannot confine workers; a hospital's gateway should not.\n\
         sandbox: partial\n",
        folder = folder.display(),
        pacs = pacs::AE_TITLE,
        title = outside::AE_TITLE,
    );
    let file = folder.join("efface.yaml");
    disk::write_whole(&file, config.as_bytes())?;
    Ok(config::parse(&file, &config)?)
}

fn bar(length: usize, what: &'static str) -> ProgressBar {
    let style = ProgressStyle::with_template("   {msg}{bar:40} {pos}/{len} instances  {elapsed}");
    let style = style.unwrap_or_else(|_| ProgressStyle::default_bar());
    ProgressBar::new(length as u64).with_style(style).with_message(what)
}

/// The files at the outside server, sorted along the head, once all have arrived.
fn wait(
    outside: &outside::Server,
    expected: usize,
    progress: &ProgressBar,
) -> Option<Vec<PathBuf>> {
    let since = Instant::now();
    while since.elapsed() < PATIENCE {
        let files = outside.files();
        progress.set_position(files.len() as u64);
        if files.len() >= expected {
            return Some(files);
        }
        std::thread::sleep(Duration::from_millis(100));
    }
    None
}

fn read(path: &Path) -> Result<Dataset, Problem> {
    let header = Source::of_file(path)?.header(Limits::default())?;
    Ok(Dataset::parse(&header.bytes)?)
}

/// The same attributes of one slice, inside and outside.
fn show_attributes(before: &Path, arrived: &[PathBuf]) -> Result<(), Problem> {
    let before = read(before)?;
    let after = read(arrived.first().ok_or("nothing arrived")?)?;
    println!("\n{:40} {:26} outside", "attribute", "inside");
    for tag in SHOWN {
        let name = StandardDataDictionary.by_tag(tag).map_or("", |entry| entry.alias());
        let value = |dataset: &Dataset| match dataset.text(tag) {
            Some(text) => shortened(&text),
            None if dataset.has(tag) => "(empty)".to_owned(),
            None => "-".to_owned(),
        };
        println!("{name:40} {:26} {}", value(&before), value(&after));
    }
    Ok(())
}

/// At most 26 characters, the middle left out.
fn shortened(text: &str) -> String {
    let letters: Vec<char> = text.chars().collect();
    match letters.len() {
        0..=26 => text.to_owned(),
        n => letters[..14].iter().chain(&['…']).chain(&letters[n - 11..]).collect(),
    }
}

fn show_log(directory: &Path) -> Result<(), Problem> {
    println!("\nThe log, which holds nothing of the patient:");
    audit::read(directory, |Record { seq, time, event, .. }| match event {
        Event::Released(release) => {
            println!(
                "{seq:3} {time} released {} instances of {} to {} under profile {}",
                release.instances, release.patient, release.destination, release.profile
            );
            for face in &release.faces {
                println!(
                    "      face {} in {} slices, {} voxels overwritten",
                    face.finding, face.slices, face.removed_voxels
                );
                for (name, value) in &face.figures {
                    println!("        {name:24} {value}");
                }
            }
        }
        Event::Delivered { destination, instances, .. } => {
            println!("{seq:3} {time} delivered {instances} instances to {destination}");
        }
        Event::Quarantined { code, instances, .. } => {
            println!("{seq:3} {time} quarantined {instances} instances: {code}");
        }
        Event::Started { version, .. } => println!("{seq:3} {time} efface {version} started"),
        Event::Stopped => println!("{seq:3} {time} stopped"),
        Event::Taken { .. }
        | Event::Egress { .. }
        | Event::Repeated { .. }
        | Event::Returned { .. }
        | Event::Rejected { .. }
        | Event::Shown { .. }
        | Event::Objections { .. }
        | Event::Withdrawn { .. }
        | Event::AuditRead { .. }
        | Event::Console { .. }
        | Event::Reidentified { .. }
        | Event::Result { .. }
        | Event::Policy { .. }
        | Event::Approved { .. }
        | Event::RequestDropped { .. }
        | Event::Crosswalk { .. }
        | Event::Erasure { .. }
        | Event::Recall { .. }
        | Event::Erased { .. } => {}
    })?;
    Ok(())
}

/// Renders both heads in one picture.
fn draw(before: &[PathBuf], after: &[PathBuf], picture: &Path) -> Result<(), Problem> {
    let (before, after) = (volume(before)?, volume(after)?);
    let sheet = render::sheet(&[&before, &after], render::SKIN_HU, 360);
    Ok(disk::write_whole(picture, &render::png(&sheet)?)?)
}

/// A coarse volume of a series, for a picture.
fn volume(files: &[PathBuf]) -> Result<Volume, Problem> {
    let slices = files.iter().map(|path| {
        let dataset = read(path)?;
        let (_, frame) = FrameIndex::of_file(path)?.frame(0)?;
        let facts = FrameFacts::of(&dataset)?.into_iter().next();
        Ok((facts.ok_or("an image without frames")?, frame.samples()))
    });
    let slices: Vec<_> = slices.collect::<Result<_, Problem>>()?;
    let planes: Vec<ImagePlane> = slices.iter().map(|(facts, _)| facts.plane).collect();
    let survey = Survey::with_cell(&planes, Contrast::Hounsfield, 2.0)?;
    for (index, (facts, samples)) in slices.iter().enumerate() {
        let rescale = Rescale::new(facts.slope, facts.intercept)?;
        let (padding, inverted) = (facts.padding.clone(), facts.inverted);
        survey.add(index, &Slice { samples, rescale, padding, inverted })?;
    }
    Ok(survey.volume()?)
}

fn voxel_size(text: &str) -> Result<f64, String> {
    let size: f64 = text.parse().map_err(|_| "a number of millimetres")?;
    if (1.0..=4.0).contains(&size) { Ok(size) } else { Err("from 1 to 4 mm".to_owned()) }
}

/// Loopback, any port.
const ANYWHERE: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 0);
