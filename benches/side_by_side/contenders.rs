//! Who takes part: the command lines of fincat and its peers, part by part, and whether they are installed.
//! Nothing is started here.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;

/// A tool with the options that give it a row of its own.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Contender {
    Fincat,
    FincatThread,
    FincatFork,
    FincatSingle,
    FincatStatic,
    Nc,
    Ncat,
    Socat,
    SocatLarge,
    PythonThreading,
    PythonForking,
    Tcpserver,
    Haproxy,
    Nginx,
}

/// What a contender has to do.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Part {
    Send,
    Receive,
    UnixSend,
    UnixReceive,
    Echo,
    Command,
    Forward,
    DatagramEcho,
    DatagramSend,
    Check,
    Listen,
}

/// What the words in braces of a command line stand for.
#[derive(Default)]
pub(crate) struct Place {
    pub(crate) port: u16,
    /// Of the server that a forwarder forwards to; the last port of a range to check.
    pub(crate) other_port: u16,
    pub(crate) path: PathBuf,
    pub(crate) size: usize,
}

/// Binaries and files that command lines need.
pub(crate) struct Files {
    pub(crate) binary: PathBuf,
    pub(crate) static_binary: Option<PathBuf>,
    /// A folder of ours, for scripts, configurations and sockets.
    pub(crate) folder: PathBuf,
}

/// The shape that fincat has in Python.
const SERVERS: &str = r#"
import socketserver, sys
class Echo(socketserver.BaseRequestHandler):
    def handle(self):
        while True:
            data = self.request.recv(65536)
            if not data: return
            self.request.sendall(data)
class Return(socketserver.BaseRequestHandler):
    def handle(self):
        data, sock = self.request
        sock.sendto(data, self.client_address)
class Threads(socketserver.ThreadingTCPServer):
    allow_reuse_address = daemon_threads = True
    request_queue_size = 4096
class Forks(socketserver.ForkingTCPServer):
    allow_reuse_address = True
    request_queue_size = 4096
    max_children = 20000
kind, handler = {"thread": (Threads, Echo), "fork": (Forks, Echo), "udp": (socketserver.UDPServer, Return)}[sys.argv[1]]
kind(("127.0.0.1", int(sys.argv[2])), handler).serve_forever()
"#;

const HAPROXY: &str = "global\n maxconn 4000\ndefaults\n mode tcp\n option splice-request\n option splice-response\n \
    timeout connect 5s\n timeout client 30s\n timeout server 30s\nlisten here\n bind 127.0.0.1:{port} backlog 4096\n \
    server there 127.0.0.1:{other}\n";

const NGINX: &str = "{module}daemon off;\nworker_processes 2;\npid {folder}/nginx.pid;\nerror_log /dev/null;\n\
    events { worker_connections 8192; }\nstream { server { listen 127.0.0.1:{port} backlog=4096; \
    proxy_pass 127.0.0.1:{other}; proxy_half_close on; } }\n";

/// Where distributions put nginx's stream module; where there is none, it is built in or missing.
const NGINX_STREAM: [&str; 2] =
    ["/usr/lib/nginx/modules/ngx_stream_module.so", "/usr/lib64/nginx/modules/ngx_stream_module.so"];

impl Contender {
    /// How the table calls it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Fincat => "fincat",
            Self::FincatThread => "fincat --thread",
            Self::FincatFork => "fincat --fork",
            Self::FincatSingle => "fincat --single -k",
            Self::FincatStatic => "fincat, static",
            Self::Nc => "nc.openbsd",
            Self::Ncat => "ncat",
            Self::Socat => "socat",
            Self::SocatLarge => "socat -b262144",
            Self::PythonThreading => "Python threading",
            Self::PythonForking => "Python forking",
            Self::Tcpserver => "tcpserver",
            Self::Haproxy => "haproxy",
            Self::Nginx => "nginx stream",
        }
    }

    /// The command line for `part`; words in braces are filled in by [`Files::command`].
    fn line(self, part: Part) -> Option<&'static str> {
        match (self, part) {
            (Self::Fincat | Self::FincatStatic, Part::Send) => Some("{fincat} connect 127.0.0.1 {port}"),
            (Self::Fincat, Part::Receive) => Some("{fincat} listen --recv-only 127.0.0.1 {port}"),
            (Self::Fincat, Part::UnixSend) => Some("{fincat} unix connect {path}"),
            (Self::Fincat, Part::UnixReceive) => Some("{fincat} unix listen --recv-only {path}"),
            (Self::Fincat, Part::Forward) => {
                Some("{fincat} listen --thread -m 5000 --to tcp:127.0.0.1:{other} 127.0.0.1 {port}")
            }
            (Self::Fincat, Part::DatagramEcho) => Some("{fincat} udp listen --echo 127.0.0.1 {port}"),
            (Self::Fincat, Part::DatagramSend) => Some("{fincat} udp connect --size {size} 127.0.0.1 {port}"),
            (Self::Fincat, Part::Check) => Some("{fincat} connect --check 127.0.0.1 {port}-{other}"),
            (Self::Fincat | Self::FincatStatic, Part::Listen) => Some("{fincat} listen 127.0.0.1 {port}"),
            (Self::FincatThread, Part::Echo) => Some("{fincat} listen --thread -m 20000 --echo 127.0.0.1 {port}"),
            (Self::FincatFork, Part::Echo) => Some("{fincat} listen --fork -m 20000 --echo 127.0.0.1 {port}"),
            (Self::FincatSingle, Part::Echo) => Some("{fincat} listen --single -k --echo 127.0.0.1 {port}"),
            (Self::FincatFork, Part::Command) => Some("{fincat} listen --fork -m 5000 127.0.0.1 {port} -- /bin/cat"),
            (Self::PythonThreading, Part::Echo) => Some("python3 {servers} thread {port}"),
            (Self::PythonForking, Part::Echo) => Some("python3 {servers} fork {port}"),
            (Self::PythonThreading, Part::DatagramEcho) => Some("python3 {servers} udp {port}"),
            (Self::Tcpserver, Part::Command) => Some("tcpserver -RHl0 -c4000 -b4096 127.0.0.1 {port} /bin/cat"),
            (Self::Haproxy, Part::Forward) => Some("haproxy -q -db -f {haproxy}"),
            (Self::Nginx, Part::Forward) => Some("nginx -p {folder} -c {nginx}"),
            (Self::Nc | Self::Ncat, _) => self.line_of_nc(part),
            (Self::Socat | Self::SocatLarge, _) => self.line_of_socat(part),
            _ => None,
        }
    }

    fn line_of_nc(self, part: Part) -> Option<&'static str> {
        let is_ncat = self == Self::Ncat;
        Some(match part {
            Part::Send if is_ncat => "ncat 127.0.0.1 {port}",
            Part::Receive if is_ncat => "ncat --recv-only -l 127.0.0.1 {port}",
            _ if is_ncat => return None,
            Part::Send => "nc.openbsd -N 127.0.0.1 {port}",
            Part::Receive => "nc.openbsd -d -l 127.0.0.1 {port}",
            Part::UnixSend => "nc.openbsd -N -U {path}",
            Part::UnixReceive => "nc.openbsd -d -l -U {path}",
            Part::Check => "nc.openbsd -v -z -w1 127.0.0.1 {port}-{other}",
            Part::Listen => "nc.openbsd -l 127.0.0.1 {port}",
            _ => return None,
        })
    }

    fn line_of_socat(self, part: Part) -> Option<&'static str> {
        let is_large = self == Self::SocatLarge;
        Some(match part {
            Part::Send if is_large => "socat -b262144 -t60 - TCP4:127.0.0.1:{port}",
            Part::Receive if is_large => "socat -b262144 -u TCP4-LISTEN:{port},reuseaddr STDOUT",
            Part::UnixSend if is_large => "socat -b262144 -t60 - UNIX-CONNECT:{path}",
            Part::UnixReceive if is_large => "socat -b262144 -u UNIX-LISTEN:{path} STDOUT",
            Part::Forward if is_large => {
                "socat -b262144 TCP4-LISTEN:{port},reuseaddr,fork,backlog=4096 TCP4:127.0.0.1:{other}"
            }
            _ if is_large => return None,
            Part::Send => "socat -t60 - TCP4:127.0.0.1:{port}",
            Part::Echo => "socat TCP4-LISTEN:{port},reuseaddr,fork,backlog=4096 PIPE",
            Part::Forward => "socat TCP4-LISTEN:{port},reuseaddr,fork,backlog=4096 TCP4:127.0.0.1:{other}",
            Part::DatagramSend => "socat -u -b {size} STDIN UDP4-SENDTO:127.0.0.1:{port}",
            Part::Listen => "socat TCP4-LISTEN:{port},reuseaddr -",
            _ => return None,
        })
    }
}

impl Files {
    /// Writes down what some command lines name.
    pub(crate) fn prepare(&self) -> io::Result<()> {
        fs::write(self.folder.join("servers.py"), SERVERS)
    }

    /// The words of `who`'s command line for `part`; configurations are written on the way. The error says why it
    /// cannot take part.
    pub(crate) fn command(&self, who: Contender, part: Part, place: &Place) -> Result<Vec<String>, String> {
        let line = who.line(part).ok_or_else(|| format!("{} cannot do that", who.name()))?;
        let fincat = if who == Contender::FincatStatic { self.static_binary.as_ref() } else { Some(&self.binary) };
        let fincat = fincat.ok_or("no --static FILE")?;
        let words: Vec<String> = line.split(' ').map(|word| self.fill(word, fincat, place)).collect();
        if installed(&words[0]).is_none() {
            return Err(format!("{} is not installed", words[0]));
        }
        match who {
            Contender::Haproxy => self.write_configuration("haproxy.cfg", HAPROXY, place)?,
            Contender::Nginx => self.write_configuration("nginx.conf", NGINX, place)?,
            _ => {}
        }
        Ok(words)
    }

    fn fill(&self, word: &str, fincat: &Path, place: &Place) -> String {
        let file = |name: &str| self.folder.join(name).display().to_string();
        word.replace("{fincat}", &fincat.display().to_string())
            .replace("{port}", &place.port.to_string())
            .replace("{other}", &place.other_port.to_string())
            .replace("{path}", &place.path.display().to_string())
            .replace("{size}", &place.size.to_string())
            .replace("{servers}", &file("servers.py"))
            .replace("{haproxy}", &file("haproxy.cfg"))
            .replace("{nginx}", &file("nginx.conf"))
            .replace("{folder}", &self.folder.display().to_string())
    }

    fn write_configuration(&self, name: &str, text: &str, place: &Place) -> Result<(), String> {
        let module = NGINX_STREAM.iter().find(|path| Path::new(path).exists());
        let user = if rustix::process::geteuid().is_root() { "user root;\n" } else { "" };
        let module = module.map(|path| format!("load_module {path};\n")).unwrap_or_default() + user;
        let text = self.fill(&text.replace("{module}", &module), &self.binary, place);
        fs::write(self.folder.join(name), text).map_err(|error| format!("{name}: {error}"))
    }

    /// Whether the binary under test knows `connect --check`: it is asked for a port of its own `listener`.
    pub(crate) fn knows_check(&self, open_port: u16) -> bool {
        let port = open_port.to_string();
        let answer = Command::new(&self.binary).args(["connect", "--check", "127.0.0.1", &port]).output();
        answer.is_ok_and(|answer| answer.status.success())
    }
}

/// Where a program is, by PATH and where daemons are kept.
pub(crate) fn installed(program: &str) -> Option<PathBuf> {
    if program.contains('/') {
        return Some(PathBuf::from(program)).filter(|path| path.exists());
    }
    let path = std::env::var_os("PATH").unwrap_or_default();
    let daemons = ["/usr/sbin", "/sbin"].map(PathBuf::from);
    std::env::split_paths(&path).chain(daemons).map(|folder| folder.join(program)).find(|file| file.is_file())
}
