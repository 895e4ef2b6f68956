use std::{
    io::{BufRead, BufReader},
    net::TcpStream,
    time::Duration,
};

use super::*;

struct Client(BufReader<TcpStream>);

impl Client {
    fn of(server: &MailServer) -> Self {
        let mut client = Self(BufReader::new(TcpStream::connect(server.address()).unwrap()));
        assert!(client.hear().starts_with("220 "));
        client
    }

    /// The last line of an answer; nothing once the server has hung up.
    fn hear(&mut self) -> String {
        loop {
            let mut line = String::new();
            self.0.read_line(&mut line).unwrap();
            if line.as_bytes().get(3) != Some(&b'-') {
                return line;
            }
        }
    }

    fn say(&mut self, line: &str) -> String {
        self.0.get_mut().write_all(format!("{line}\r\n").as_bytes()).unwrap();
        self.hear()
    }

    /// What the server answers at last.
    fn send(&mut self, text: &str) -> String {
        for line in ["EHLO here", "MAIL FROM:<shop@example.org>", "RCPT TO:<ada@example.org>"] {
            let answer = self.say(line);
            if !answer.starts_with("250 ") {
                return answer;
            }
        }
        assert!(self.say("DATA").starts_with("354 "));
        self.say(&format!("{text}\r\n."))
    }
}

const TEXT: &str = "Message-ID: <dlv_1@shop>\r\nSubject: Two\r\n lines\r\n\
    Content-Transfer-Encoding: quoted-printable\r\n\r\n\
    Ad=C3=A9la=\r\nide\r\n..hidden\r\n1 =3D 1";

#[test]
fn a_mail_is_kept_as_it_was_sent() {
    let server = MailServer::start().unwrap();
    let mut client = Client::of(&server);
    assert!(client.send(TEXT).starts_with("250 "));
    assert!(client.say("RSET").starts_with("250 "));
    assert!(client.say("DATA").starts_with("503 "));
    assert!(client.say("QUIT").starts_with("221 "));

    let letters = server.letters();
    let [letter] = letters.as_slice() else { panic!("{letters:?}") };
    assert_eq!(
        (letter.sender.as_str(), letter.recipients.as_slice()),
        ("shop@example.org", &["ada@example.org".to_owned()][..])
    );
    assert_eq!(letter.header("subject").as_deref(), Some("Two lines"));
    assert_eq!(letter.text(), "Adélaide\n.hidden\n1 = 1\n");
}

#[test]
fn it_behaves_as_it_is_told() {
    let server = MailServer::start().unwrap();
    for (manners, answer) in [
        (Manners::RefuseSender(421), "421 "),
        (Manners::RefuseRecipient(550), "550 "),
        (Manners::RefuseText(554), "554 "),
    ] {
        server.behave_once(manners);
        assert!(Client::of(&server).send(TEXT).starts_with(answer), "{manners:?}");
    }
    assert_eq!(server.letters(), []);

    server.behave_once(Manners::HangUp);
    assert_eq!(Client::of(&server).send(TEXT), "");
    assert_eq!(server.letters().len(), 1);

    server.behave_once(Manners::Hang);
    let mut client = Client::of(&server);
    client.0.get_mut().write_all(b"MAIL FROM:<shop@example.org>\r\n").unwrap();
    client.0.get_mut().set_read_timeout(Some(Duration::from_millis(200))).unwrap();
    assert!(client.0.read_line(&mut String::new()).is_err());
    client.0.get_mut().set_read_timeout(None).unwrap();
    server.behave(Manners::Polite);
    assert!(client.hear().starts_with("250 "));
    assert!(client.send(TEXT).starts_with("250 "));
    assert_eq!(server.letters().len(), 2);
}

#[test]
fn letters_go_into_files_and_one_that_comes_twice_into_two() {
    let folder = tempfile::tempdir().unwrap();
    let server = MailServer::start_into(&folder.path().join("mail")).unwrap();
    let mut client = Client::of(&server);
    for _ in 0..2 {
        assert!(client.send(TEXT).starts_with("250 "));
    }

    let mut names: Vec<_> = fs::read_dir(folder.path().join("mail"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    assert_eq!(names, ["dlv_1-2.eml", "dlv_1.eml"]);
}

#[test]
fn it_is_gone_when_it_is_dropped() {
    let server = MailServer::start().unwrap();
    let (address, mut client) = (server.address(), Client::of(&server));
    drop(server);
    assert_eq!(client.hear(), "");
    let refused = || TcpStream::connect(address).is_err();
    while !refused() {
        thread::yield_now();
    }
}
