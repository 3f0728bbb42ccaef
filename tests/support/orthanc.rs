//! Orthanc as the PACS or as the server outside: DICOM and HTTP on loopback, its storage in a folder of the test.

use super::dcmtk::{Running, free_port};
use super::until_some_or;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

const PROGRAM: &str = "/usr/sbin/Orthanc";
/// Where Debian's packages have plugins, such as `libOrthancDicomWeb.so`.
const PLUGINS: &str = "/usr/share/orthanc/plugins";

/// Whether it is installed.
pub fn is_installed() -> bool {
    Path::new(PROGRAM).exists()
}

/// The path of a plugin, if that is installed.
pub fn plugin(name: &str) -> Option<String> {
    let path = Path::new(PLUGINS).join(name);
    path.exists().then(|| path.display().to_string())
}

/// A running one; what it stored stays in its folder when it ends.
pub struct Orthanc {
    process: Running,
    folder: PathBuf,
    /// Port of DICOM.
    pub dicom: u16,
    /// Port of HTTP, or HTTPS.
    pub http: u16,
}

impl Orthanc {
    /// Starts one that stores what anybody sends it under this AE title. `extra`, a JSON object, goes over the rest of
    /// its configuration.
    pub fn start(folder: &Path, ae_title: &str, extra: &Value) -> Self {
        Orthanc::start_at([free_port(), free_port()], folder, ae_title, extra)
    }

    /// The same on these ports, of DICOM and HTTP: again, say, with what it has.
    pub fn start_at(ports: [u16; 2], folder: &Path, ae_title: &str, extra: &Value) -> Self {
        let [dicom, http] = ports;
        std::fs::create_dir_all(folder).expect("a folder for Orthanc");
        let storage = folder.join("storage").display().to_string();
        let mut configuration = json!({
            "Name": ae_title,
            "StorageDirectory": storage,
            "IndexDirectory": storage,
            "HttpPort": http,
            "RemoteAccessAllowed": false,
            "AuthenticationEnabled": false,
            "DicomAet": ae_title,
            "DicomPort": dicom,
            "DicomCheckCalledAet": true,
            "DicomAlwaysAllowStore": true,
            "Plugins": [],
        });
        let rest = extra.as_object().expect("a JSON object").clone();
        configuration.as_object_mut().expect("one, too").extend(rest);
        let file = folder.join("orthanc.json");
        std::fs::write(&file, configuration.to_string()).expect("a configuration");
        let log = std::fs::File::create(folder.join("log")).expect("a log");
        let process = Command::new(PROGRAM)
            .arg(file)
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .expect("Orthanc starts");
        let mut orthanc =
            Orthanc { process: Running(process), folder: folder.to_owned(), dicom, http };
        orthanc.wait();
        orthanc
    }

    /// Until both ports answer.
    fn wait(&mut self) {
        let log = self.folder.join("log");
        let said = || std::fs::read_to_string(&log).unwrap_or_default();
        let answers = |port: u16| TcpStream::connect(("127.0.0.1", port)).is_ok();
        let (dicom, http, process) = (self.dicom, self.http, &mut self.process.0);
        until_some_or("Orthanc listens", said, || {
            if let Some(status) = process.try_wait().expect("its status") {
                panic!("Orthanc did not start: {status}: {}", said());
            }
            (answers(http) && answers(dicom)).then_some(())
        });
    }

    /// Ends it at once, as a power cut would.
    pub fn kill(mut self) {
        self.process.0.kill().expect("it was running");
        self.process.0.wait().expect("its end");
    }

    /// What its REST API says at a path, such as `/instances`: plain HTTP.
    #[track_caller]
    pub fn get(&self, path: &str) -> Vec<u8> {
        let url = format!("http://127.0.0.1:{}{path}", self.http);
        let mut answer = ureq::get(&url).call().expect("Orthanc answers");
        let body = answer.body_mut().with_config().limit(1 << 30);
        body.read_to_vec().expect("its whole answer")
    }

    /// The same as JSON.
    #[track_caller]
    pub fn json(&self, path: &str) -> Value {
        serde_json::from_slice(&self.get(path)).expect("JSON")
    }

    /// Posts JSON to a path, which has to be taken.
    #[track_caller]
    pub fn post(&self, path: &str, body: &Value) -> Value {
        self.send(path, body.to_string().as_bytes())
    }

    /// Stores a file; what Orthanc calls the instance.
    #[track_caller]
    pub fn put(&self, file: &Path) -> String {
        let stored = self.send("/instances", &std::fs::read(file).expect("a file"));
        stored["ID"].as_str().expect("an ID").to_owned()
    }

    #[track_caller]
    fn send(&self, path: &str, body: &[u8]) -> Value {
        let url = format!("http://127.0.0.1:{}{path}", self.http);
        let mut answer = ureq::post(&url).send(body).expect("Orthanc takes it");
        let said = answer.body_mut().read_to_vec().expect("its answer");
        serde_json::from_slice(&said).unwrap_or(Value::Null)
    }

    /// The Patient IDs that it knows.
    pub fn patients(&self) -> BTreeSet<String> {
        let patients = self.json("/patients?expand");
        let known = patients.as_array().expect("a list").iter();
        let id =
            |patient: &Value| patient["MainDicomTags"]["PatientID"].as_str().map(str::to_owned);
        known.filter_map(id).collect()
    }

    /// How many instances it has.
    pub fn count(&self) -> u64 {
        self.json("/statistics")["CountInstances"].as_u64().expect("a number")
    }

    /// Writes every instance that it has into a folder, as DICOM files.
    pub fn save(&self, folder: &Path) {
        std::fs::create_dir_all(folder).expect("a folder");
        let instances = self.json("/instances");
        for id in instances.as_array().expect("a list").iter().filter_map(Value::as_str) {
            let bytes = self.get(&format!("/instances/{id}/file"));
            std::fs::write(folder.join(format!("{id}.dcm")), bytes).expect("a file");
        }
    }
}
