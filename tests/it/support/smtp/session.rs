//! The protocol of one connection.

use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

use super::{Attempt, Behaviour, Fault, Received, Shared, SmtpTls, Step, lock};

/// The largest mail the server takes.
const MAX_SIZE: usize = 10 * 1024 * 1024;

pub(super) trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

/// One connection. An `Err` ends it, and so does the end of the client.
pub(super) struct Session {
    shared: Arc<Shared>,
    stream: Box<dyn Stream>,
    /// What was read and not used; pipelined commands wait here.
    buffer: Vec<u8>,
    tls: bool,
    greeted: bool,
    user: Option<String>,
    from: Option<String>,
    to: Vec<String>,
    behaviour: Behaviour,
    /// Whether the failure of this transaction was told already.
    told: bool,
}

impl Session {
    pub(super) async fn run(shared: Arc<Shared>, stream: Box<dyn Stream>) {
        let mut session = Self {
            shared,
            stream,
            buffer: Vec::new(),
            tls: false,
            greeted: false,
            user: None,
            from: None,
            to: Vec::new(),
            behaviour: Behaviour::Accept,
            told: false,
        };
        // A connection error is the client's leaving; what it means for a mail is told below.
        drop(session.serve().await);
        if session.from.is_some() {
            session.tell("client left");
        }
    }

    async fn serve(&mut self) -> io::Result<()> {
        if self.shared.options.tls == SmtpTls::Implicit {
            self.start_tls().await?;
        }
        if self.take_if(|next| *next == Behaviour::StallGreeting) {
            self.stall().await?;
        } else if self.take_if(|next| *next == Behaviour::Unavailable) {
            return self.refuse(421, "4.3.2 not now").await;
        }
        if let Some(fault) = self.fault(Step::Greeting) {
            self.suffer(fault).await?;
        } else {
            self.greet().await?;
        }
        loop {
            let line = self.line().await?;
            let (verb, argument) = line.split_once(' ').unwrap_or((&line, ""));
            let verb = verb.to_ascii_uppercase();
            if let Some(fault) = step(&verb).and_then(|step| self.fault(step)) {
                self.suffer(fault).await?;
                continue;
            }
            if !self.command(&verb, argument).await? {
                return self.stream.shutdown().await;
            }
        }
    }

    async fn greet(&mut self) -> io::Result<()> {
        self.reply(220, "localhost ESMTP").await
    }

    /// Answers a command; false after the last one.
    async fn command(&mut self, verb: &str, argument: &str) -> io::Result<bool> {
        match verb {
            "EHLO" => self.ehlo().await?,
            "HELO" => {
                self.greeted = true;
                self.reset();
                self.reply(250, "localhost").await?;
            }
            "STARTTLS" if self.shared.options.tls == SmtpTls::StartTls && !self.tls => {
                self.reply(220, "2.0.0 go ahead").await?;
                self.start_tls().await?;
            }
            "AUTH" => self.auth(argument).await?,
            "MAIL" => self.mail(argument).await?,
            "RCPT" => self.rcpt(argument).await?,
            "DATA" => self.data().await?,
            "RSET" => {
                self.reset();
                self.reply(250, "2.0.0 ok").await?;
            }
            "NOOP" => self.reply(250, "2.0.0 ok").await?,
            "QUIT" => {
                self.reset();
                self.reply(221, "2.0.0 bye").await?;
                return Ok(false);
            }
            _ => self.reply(502, "5.5.2 unknown command").await?,
        }
        Ok(true)
    }

    /// What fails at this moment. The behaviours of mails wait for MAIL, and are taken there.
    fn fault(&self, step: Step) -> Option<Fault> {
        let found = |behaviour: &Behaviour| match behaviour {
            Behaviour::At(at, fault) if *at == step => Some(*fault),
            _ => None,
        };
        if matches!(step, Step::Rcpt | Step::Data | Step::Dot) {
            return found(&self.behaviour);
        }
        let next = {
            let script = lock(&self.shared.script);
            script.0.front().unwrap_or(&script.1).clone()
        };
        let fault = found(&next)?;
        self.take_if(|taken| *taken == next);
        Some(fault)
    }

    /// Fails.
    async fn suffer(&mut self, fault: Fault) -> io::Result<()> {
        match fault {
            Fault::Say(code @ 421, text) => self.refuse(code, text).await,
            Fault::Say(code, text) => {
                self.fail(code, text).await?;
                self.reset();
                Ok(())
            }
            Fault::Drop => self.leave(),
            Fault::Hang => {
                self.stall().await?;
                self.leave()
            }
            Fault::Drip => {
                self.tell("dripping");
                self.send("250-").await?;
                let mut seconds = tokio::time::interval(Duration::from_secs(1));
                loop {
                    seconds.tick().await;
                    self.send("x").await?;
                }
            }
        }
    }

    async fn start_tls(&mut self) -> io::Result<()> {
        let acceptor = self
            .shared
            .acceptor
            .clone()
            .expect("made with every kind of TLS");
        // What came in the clear after the command must not count as encrypted.
        self.buffer.clear();
        let plain = std::mem::replace(&mut self.stream, Box::new(tokio::io::empty()));
        match acceptor.accept(plain).await {
            Ok(stream) => self.stream = Box::new(stream),
            Err(error) => {
                self.tell(&format!("no TLS: {error}"));
                return Err(error);
            }
        }
        (self.tls, self.greeted, self.user) = (true, false, None);
        self.reset();
        Ok(())
    }

    async fn ehlo(&mut self) -> io::Result<()> {
        self.greeted = true;
        self.reset();
        let mut keywords = vec!["PIPELINING".to_owned(), "8BITMIME".to_owned()];
        keywords.push(format!("SIZE {MAX_SIZE}"));
        if self.shared.options.tls == SmtpTls::StartTls && !self.tls {
            keywords.push("STARTTLS".to_owned());
        } else if self.shared.options.auth.is_some() {
            keywords.push("AUTH PLAIN LOGIN".to_owned());
        }
        keywords.push("ENHANCEDSTATUSCODES".to_owned());
        let last = keywords.pop().unwrap_or_default();
        let others: String = keywords
            .iter()
            .flat_map(|word| ["250-", word, "\r\n"])
            .collect();
        self.send(&format!("250-localhost\r\n{others}250 {last}\r\n"))
            .await
    }

    async fn auth(&mut self, argument: &str) -> io::Result<()> {
        if self.shared.options.tls == SmtpTls::StartTls && !self.tls {
            return self.reply(538, "5.7.11 STARTTLS first").await;
        }
        let Some(wanted) = self.shared.options.auth.clone() else {
            return self.reply(503, "5.5.1 no login here").await;
        };
        if !self.greeted || self.user.is_some() || self.from.is_some() {
            return self.reply(503, "5.5.1 not now").await;
        }
        let (mechanism, initial) = argument.split_once(' ').unwrap_or((argument, ""));
        let given = match mechanism.to_ascii_uppercase().as_str() {
            "PLAIN" => {
                let text = self.answer_or(initial, "").await?;
                let mut parts = text.split('\0').skip(1).map(str::to_owned);
                (
                    parts.next().unwrap_or_default(),
                    parts.next().unwrap_or_default(),
                )
            }
            "LOGIN" => {
                let user = self.answer_or(initial, "VXNlcm5hbWU6").await?;
                (user, self.answer_or("", "UGFzc3dvcmQ6").await?)
            }
            _ => return self.reply(504, "5.5.4 unknown mechanism").await,
        };
        let refused = self.take_if(|next| *next == Behaviour::Fail535);
        if refused || given != wanted {
            return self.fail(535, "5.7.8 wrong user or password").await;
        }
        self.user = Some(given.0);
        self.reply(235, "2.7.0 welcome").await
    }

    /// Decodes what the client gave with the command, or asks for it.
    async fn answer_or(&mut self, initial: &str, question: &str) -> io::Result<String> {
        let line = if initial.is_empty() {
            self.reply(334, question).await?;
            self.line().await?
        } else {
            initial.to_owned()
        };
        let bytes = BASE64.decode(line).unwrap_or_default();
        Ok(String::from_utf8(bytes).unwrap_or_default())
    }

    async fn mail(&mut self, argument: &str) -> io::Result<()> {
        if !self.greeted || self.from.is_some() {
            return self.reply(503, "5.5.1 not now").await;
        }
        let Some(from) = path(argument, "FROM:") else {
            return self.reply(501, "5.5.4 MAIL FROM:<address>").await;
        };
        if self.shared.options.auth.is_some() && self.user.is_none() {
            return self.fail(530, "5.7.0 login required").await;
        }
        self.behaviour = {
            let mut script = lock(&self.shared.script);
            script.0.pop_front().unwrap_or_else(|| script.1.clone())
        };
        self.from = Some(from);
        let (code, text) = match self.behaviour {
            Behaviour::Fail535 => (535, "5.7.8 wrong user or password"),
            Behaviour::Unavailable => return self.refuse(421, "4.3.2 not now").await,
            _ => return self.reply(250, "2.1.0 ok").await,
        };
        self.fail(code, text).await?;
        self.reset();
        Ok(())
    }

    async fn rcpt(&mut self, argument: &str) -> io::Result<()> {
        if self.from.is_none() {
            return self.reply(503, "5.5.1 MAIL first").await;
        }
        let Some(to) = path(argument, "TO:").filter(|to| !to.is_empty()) else {
            return self.reply(501, "5.5.4 RCPT TO:<address>").await;
        };
        match self.behaviour {
            Behaviour::RejectRcpt(code, text) => self.fail(code, text).await,
            Behaviour::Greylist(_) => self.fail(451, "4.7.1 greylisted, try again").await,
            _ => {
                self.to.push(to);
                self.reply(250, "2.1.5 ok").await
            }
        }
    }

    async fn data(&mut self) -> io::Result<()> {
        if self.to.is_empty() {
            return self.reply(503, "5.5.1 no valid recipient").await;
        }
        if self.behaviour == Behaviour::DropBeforeData {
            return self.leave();
        }
        self.reply(354, "go ahead").await?;
        let mut data = Vec::new();
        loop {
            let line = self.raw_line(MAX_SIZE).await?;
            if line == b".\r\n" {
                break;
            }
            // Even of a mail that is too big, the end has to be found.
            if data.len() <= MAX_SIZE {
                data.extend_from_slice(line.strip_prefix(b".").unwrap_or(&line));
            }
        }
        let refusal = if data.len() > MAX_SIZE {
            Some((552, "5.3.4 too big"))
        } else if has_bare_line_end(&data) {
            Some((550, "5.6.11 bare CR or LF"))
        } else if let Behaviour::RejectData(code, text) = self.behaviour {
            Some((code, text))
        } else {
            None
        };
        if let Some((code, text)) = refusal {
            self.fail(code, text).await?;
            self.reset();
            return Ok(());
        }
        if self.behaviour == Behaviour::DropAfterDot {
            return self.leave();
        }
        if let Some(fault) = self.fault(Step::Dot) {
            return self.suffer(fault).await;
        }
        let mail = Received {
            from: self.from.clone().unwrap_or_default(),
            to: self.to.clone(),
            data,
            tls: self.tls,
            user: self.user.clone(),
        };
        lock(&self.shared.mails).push(mail.clone());
        drop(self.shared.new_mail.send(mail));
        match self.behaviour {
            Behaviour::AcceptThenDrop => return self.leave(),
            Behaviour::AcceptThenLeave => {
                self.reset();
                self.reply(250, "2.0.0 kept").await?;
                return self.leave();
            }
            Behaviour::StallAfterDot => {
                self.stall().await?;
                self.reset();
                self.reply(250, "2.0.0 kept").await?;
                self.tell("released");
                return Ok(());
            }
            _ => {}
        }
        self.reset();
        self.reply(250, "2.0.0 kept").await
    }

    /// Takes the next behaviour if it is one for this moment; others wait for theirs.
    fn take_if(&self, wanted: impl Fn(&Behaviour) -> bool) -> bool {
        let mut script = lock(&self.shared.script);
        match script.0.front() {
            Some(next) if wanted(next) => script.0.pop_front().is_some(),
            Some(_) => false,
            None => wanted(&script.1),
        }
    }

    /// Waits for the test's release, or for the client's losing its patience.
    async fn stall(&mut self) -> io::Result<()> {
        let mut releases = self.shared.releases.subscribe();
        self.tell("stalled");
        loop {
            tokio::select! {
                _ = releases.changed() => return Ok(()),
                read = self.stream.read_buf(&mut self.buffer) => {
                    if read? == 0 {
                        return Err(io::ErrorKind::UnexpectedEof.into());
                    }
                }
            }
        }
    }

    /// Answers with a failure of the attempt and tells the test.
    async fn fail(&mut self, code: u16, text: &str) -> io::Result<()> {
        self.tell(&format!("{code} {text}"));
        self.reply(code, text).await
    }

    /// Fails and closes the connection.
    async fn refuse(&mut self, code: u16, text: &str) -> io::Result<()> {
        self.fail(code, text).await?;
        self.stream.shutdown().await?;
        Err(io::ErrorKind::ConnectionAborted.into())
    }

    /// Closes the connection without a word.
    fn leave(&mut self) -> io::Result<()> {
        self.tell("dropped");
        Err(io::ErrorKind::ConnectionAborted.into())
    }

    /// Tells the test of a failed attempt, once per transaction.
    fn tell(&mut self, reason: &str) {
        if !self.told {
            let attempt = Attempt {
                reason: reason.to_owned(),
            };
            self.shared.failures.fetch_add(1, Ordering::Relaxed);
            drop(self.shared.new_attempt.send(attempt));
            self.told = self.from.is_some();
        }
    }

    fn reset(&mut self) {
        (self.from, self.behaviour, self.told) = (None, Behaviour::Accept, false);
        self.to.clear();
    }

    async fn reply(&mut self, code: u16, text: &str) -> io::Result<()> {
        self.send(&format!("{code} {text}\r\n")).await
    }

    async fn send(&mut self, text: &str) -> io::Result<()> {
        self.stream.write_all(text.as_bytes()).await?;
        self.stream.flush().await
    }

    async fn line(&mut self) -> io::Result<String> {
        let line = self.raw_line(4096).await?;
        Ok(String::from_utf8_lossy(&line[..line.len() - 2]).into_owned())
    }

    /// The next line, with its CRLF.
    async fn raw_line(&mut self, limit: usize) -> io::Result<Vec<u8>> {
        let mut searched = 0;
        loop {
            let found = self.buffer[searched..]
                .windows(2)
                .position(|pair| pair == b"\r\n");
            if let Some(at) = found {
                return Ok(self.buffer.drain(..searched + at + 2).collect());
            }
            searched = self.buffer.len().saturating_sub(1);
            if self.buffer.len() > limit {
                return Err(io::ErrorKind::InvalidData.into());
            }
            if self.stream.read_buf(&mut self.buffer).await? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
    }
}

/// At which step a command is answered.
fn step(verb: &str) -> Option<Step> {
    Some(match verb {
        "EHLO" => Step::Ehlo,
        "AUTH" => Step::Auth,
        "MAIL" => Step::Mail,
        "RCPT" => Step::Rcpt,
        "DATA" => Step::Data,
        _ => return None,
    })
}

/// The address in `FROM:<address> parameters`, or nothing if it is not of this form.
fn path(argument: &str, keyword: &str) -> Option<String> {
    let head = argument.get(..keyword.len())?;
    let rest = argument[keyword.len()..].trim_start().strip_prefix('<')?;
    let (address, _) = rest.split_once('>')?;
    head.eq_ignore_ascii_case(keyword)
        .then(|| address.to_owned())
}

fn has_bare_line_end(data: &[u8]) -> bool {
    let mut lines = data.split_inclusive(|byte| *byte == b'\n');
    lines.any(|line| match line.strip_suffix(b"\r\n") {
        Some(text) => text.contains(&b'\r'),
        None => true,
    })
}
