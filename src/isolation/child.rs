//! A process of the gateway's own program, and the pipes to it.

use crate::pipe::{hear, say};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::io::{self, BufReader};
use std::process::{ChildStdin, Command, ExitStatus, Stdio};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// The program that is running, also when its file was replaced by a newer one.
pub(super) const THIS_PROGRAM: &str = "/proc/self/exe";
/// Of the environment a child gets these, and nothing else.
const ENVIRONMENT: [&str; 3] = ["EFFACE_LOG", "RAYON_NUM_THREADS", "RUST_BACKTRACE"];
/// How long a child may be silent before its parent looks whether it must stop it.
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// A child that says values of `W`.
pub(super) struct Child<W> {
    process: std::process::Child,
    speaker: Speaker,
    said: Receiver<W>,
}

/// None outlives its [`Child`], also where an error is the reason.
impl<W> Drop for Child<W> {
    fn drop(&mut self) {
        // Both do nothing if it has ended and was waited for.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// The way to a child, for several threads.
#[derive(Clone)]
pub(super) struct Speaker(Arc<Mutex<Option<ChildStdin>>>);

impl Speaker {
    /// Says something.
    ///
    /// # Errors
    /// It does not listen any more: what it says next is its end.
    pub(super) fn say(&self, value: &impl Serialize) -> io::Result<()> {
        say(self.lock().as_mut().ok_or(io::ErrorKind::BrokenPipe)?, value)
    }

    fn lock(&self) -> MutexGuard<'_, Option<ChildStdin>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
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
    /// Starts a command of this program.
    pub(super) fn start(command: &str, log_json: bool) -> io::Result<Self> {
        let kept = ENVIRONMENT.into_iter().filter_map(|name| Some((name, std::env::var_os(name)?)));
        let mut process = Command::new(THIS_PROGRAM)
            .arg(command)
            .args(log_json.then_some("--log-json"))
            .env_clear()
            .envs(kept)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let (tell, said) = mpsc::channel();
        let speaker = Speaker(Arc::new(Mutex::new(process.stdin.take())));
        let stdout = process.stdout.take().ok_or(io::ErrorKind::BrokenPipe)?;
        let listen = move || {
            let mut stdout = BufReader::new(stdout);
            // To the end of the pipe, a word that is none, or until nobody listens any more.
            while let Ok(Some(word)) = hear::<W>(&mut stdout) {
                if tell.send(word).is_err() {
                    break;
                }
            }
        };
        std::thread::Builder::new().name("listen-to-child".to_owned()).spawn(listen)?;
        Ok(Child { process, speaker, said })
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
        *self.speaker.lock() = None;
    }

    /// How a child ended that has nothing more to say.
    pub(super) fn wait(mut self) -> io::Result<ExitStatus> {
        self.hang_up();
        self.process.wait()
    }

    /// Ends it, if it does not end by itself in this time.
    pub(super) fn end_within(mut self, patience: Duration) -> io::Result<()> {
        self.hang_up();
        let until = Instant::now() + patience;
        while self.process.try_wait()?.is_none() {
            if Instant::now() >= until {
                self.process.kill()?;
                return self.process.wait().map(drop);
            }
            std::thread::sleep(LOOK_EVERY);
        }
        Ok(())
    }
}
