//! A process of the gateway's own program, and the way to it: pipes, or the connection of an attendant who has started it.

use super::attendant::Calls;
use super::ending::Ending;
use crate::pipe::{hear, say};
use crate::send::{PAUSE_MIN, Pause};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::io::{self, BufReader, Read};
use std::net::Shutdown;
use std::os::unix::net::UnixStream;
use std::process::{ChildStdin, Command, Stdio};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, TryRecvError};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// The program that is running, also when its file was replaced by a newer one.
pub const THIS_PROGRAM: &str = "/proc/self/exe";
/// Of the environment a child gets these, and nothing else.
const ENVIRONMENT: [&str; 3] = ["EFFACE_LOG", "RAYON_NUM_THREADS", "RUST_BACKTRACE"];
/// A child that lived so long did not die of its start.
const A_LIFE: Duration = Duration::from_secs(60);
/// How long an attendant may take to end what it has started.
const DEATH: Duration = Duration::from_secs(10);
/// How long a child may be silent before its parent looks whether it must stop it.
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// A child that says values of `W`.
pub(super) struct Child<W> {
    process: Process,
    speaker: Speaker,
    said: Receiver<W>,
}

/// None outlives its [`Child`], also where an error is the reason.
impl<W> Drop for Child<W> {
    fn drop(&mut self) {
        // Does nothing if it has ended and was waited for.
        let _ = self.process.kill();
    }
}

/// What of a child is in the gateway's hands.
enum Process {
    Own(std::process::Child),
    /// Another user's: it comes to its end when the connection does.
    Attended(UnixStream),
    /// An attendant's who ends it when we hang up, and closes the connection when it is dead.
    Watched(UnixStream),
}

impl Process {
    fn kill(&mut self) -> io::Result<()> {
        match self {
            Process::Own(process) => {
                process.kill()?;
                process.wait().map(drop)
            }
            Process::Attended(connection) => connection.shutdown(Shutdown::Both),
            Process::Watched(connection) => until_dead(connection),
        }
    }
}

/// Hangs up, and returns when nobody has the other end any more.
fn until_dead(connection: &mut UnixStream) -> io::Result<()> {
    let begun = Instant::now();
    // Done already, or gone.
    let _ = connection.shutdown(Shutdown::Write);
    connection.set_read_timeout(Some(LOOK_EVERY))?;
    loop {
        match connection.read(&mut [0; 4096]) {
            Ok(0) => return Ok(()),
            Err(error) if error.kind() == io::ErrorKind::ConnectionReset => return Ok(()),
            // What it had still to say nobody hears.
            Ok(_) | Err(_) if begun.elapsed() < DEATH => {}
            Ok(_) | Err(_) => {
                let what =
                    "the attendant of workers did not end one: restart efface-worker.service";
                return Err(io::Error::new(io::ErrorKind::TimedOut, what));
            }
        }
    }
}

/// The way to a child, for several threads.
#[derive(Clone)]
pub(super) struct Speaker(Arc<Mutex<Option<Mouth>>>);

enum Mouth {
    Pipe(ChildStdin),
    Connection(UnixStream),
}

impl Speaker {
    fn through(mouth: Mouth) -> Self {
        Speaker(Arc::new(Mutex::new(Some(mouth))))
    }

    /// Says something.
    ///
    /// # Errors
    /// It does not listen any more: what it says next is its end.
    pub(super) fn say(&self, value: &impl Serialize) -> io::Result<()> {
        match self.lock().as_mut().ok_or(io::ErrorKind::BrokenPipe)? {
            Mouth::Pipe(pipe) => say(pipe, value),
            Mouth::Connection(connection) => say(connection, value),
        }
    }

    fn hang_up(&self) {
        if let Some(Mouth::Connection(connection)) = self.lock().take() {
            // Others hold it, too, to hear. If it is gone, there is nothing to end.
            let _ = connection.shutdown(Shutdown::Write);
        }
    }

    fn lock(&self) -> MutexGuard<'_, Option<Mouth>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One child of a kind after the other. Between those that end at once lies a pause, which grows.
#[derive(Default)]
pub(super) struct Lives(Pause);

impl Lives {
    /// Lives once, unless it is too early; what it died of.
    ///
    /// # Errors
    /// Those of `live`.
    pub(super) fn next(&mut self, live: impl FnOnce() -> io::Result<()>) -> io::Result<()> {
        if !self.0.is_over() {
            return Ok(());
        }
        let since = Instant::now();
        live().inspect_err(|_| {
            if since.elapsed() >= A_LIFE {
                self.0 = Pause::default();
            }
            self.0.longer(PAUSE_MIN);
        })
    }
}

/// What came of listening for a moment.
pub(super) enum Heard<W> {
    /// A value.
    Word(W),
    /// Nothing.
    Silence,
    /// There will be no more.
    End,
}

impl<W: DeserializeOwned + Send + 'static> Child<W> {
    /// Starts a command of this program, or has it started by whoever calls.
    pub(super) fn start(command: &str, log_json: bool, calls: Option<&Calls>) -> io::Result<Self> {
        match calls {
            Some(calls) => Child::attended(calls.answer()?),
            None => Child::own(command, log_json),
        }
    }

    /// One that does not outlive our interest in it: its attendant ends it when we hang up.
    pub(super) fn watched(calls: &Calls) -> io::Result<Self> {
        let connection = calls.answer()?;
        let speaker = Speaker::through(Mouth::Connection(connection.try_clone()?));
        let said = listen(connection.try_clone()?)?;
        Ok(Child { process: Process::Watched(connection), speaker, said })
    }

    fn own(command: &str, log_json: bool) -> io::Result<Self> {
        let kept = ENVIRONMENT.into_iter().filter_map(|name| Some((name, std::env::var_os(name)?)));
        let mut process = Command::new(THIS_PROGRAM)
            .arg(command)
            .args(log_json.then_some("--log-json"))
            .env_clear()
            .envs(kept)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let stdin = process.stdin.take().ok_or(io::ErrorKind::BrokenPipe)?;
        let stdout = process.stdout.take().ok_or(io::ErrorKind::BrokenPipe)?;
        let speaker = Speaker::through(Mouth::Pipe(stdin));
        Ok(Child { process: Process::Own(process), speaker, said: listen(stdout)? })
    }

    fn attended(connection: UnixStream) -> io::Result<Self> {
        let speaker = Speaker::through(Mouth::Connection(connection.try_clone()?));
        let said = listen(connection.try_clone()?)?;
        Ok(Child { process: Process::Attended(connection), speaker, said })
    }

    /// Waits a moment for a word.
    pub(super) fn hear(&self) -> Heard<W> {
        match self.said.recv_timeout(LOOK_EVERY) {
            Ok(word) => Heard::Word(word),
            Err(RecvTimeoutError::Timeout) => Heard::Silence,
            Err(RecvTimeoutError::Disconnected) => Heard::End,
        }
    }

    /// Says something to it.
    ///
    /// # Errors
    /// It does not listen any more: what it says next is its end.
    pub(super) fn say(&self, value: &impl Serialize) -> io::Result<()> {
        self.speaker.say(value)
    }

    /// The way to it, for other threads.
    pub(super) fn speaker(&self) -> Speaker {
        self.speaker.clone()
    }

    /// Says nothing more: the sign for a sender to come to its end.
    pub(super) fn hang_up(&self) {
        self.speaker.hang_up();
    }

    /// How a child ended that has nothing more to say.
    pub(super) fn wait(mut self) -> io::Result<Ending> {
        self.hang_up();
        match &mut self.process {
            Process::Own(process) => process.wait().map(Ending::without_a_word),
            Process::Attended(_) | Process::Watched(_) => Ok(Ending::of_the_unseen()),
        }
    }

    /// Ends it now. What it has said before can still be heard.
    pub(super) fn kill(&mut self) -> io::Result<()> {
        self.hang_up();
        self.process.kill()
    }

    /// Ends it, if it does not end by itself in this time.
    pub(super) fn end_within(mut self, patience: Duration) -> io::Result<()> {
        self.hang_up();
        let until = Instant::now() + patience;
        while !self.has_ended()? {
            if Instant::now() >= until {
                return self.process.kill();
            }
            std::thread::sleep(LOOK_EVERY);
        }
        Ok(())
    }

    fn has_ended(&mut self) -> io::Result<bool> {
        match &mut self.process {
            Process::Own(process) => process.try_wait().map(|status| status.is_some()),
            Process::Attended(_) | Process::Watched(_) => {
                Ok(matches!(self.said.try_recv(), Err(TryRecvError::Disconnected)))
            }
        }
    }
}

/// Hears values to the end of a stream, a word that is none, or until nobody listens any more.
fn listen<W: DeserializeOwned + Send + 'static>(
    stream: impl Read + Send + 'static,
) -> io::Result<Receiver<W>> {
    let (tell, said) = mpsc::channel();
    let listen = move || {
        let mut stream = BufReader::new(stream);
        while let Ok(Some(word)) = hear::<W>(&mut stream) {
            if tell.send(word).is_err() {
                break;
            }
        }
    };
    std::thread::Builder::new().name("listen-to-child".to_owned()).spawn(listen)?;
    Ok(said)
}
