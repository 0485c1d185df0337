//! One request and what is answered: bytes in, pictures out. Sans I/O; HTTP/1.1 itself (the head,
//! chunks, lengths, whether the connection may be kept) is `ureq-proto`'s.
//!
//! Of the HTTP clients the blocking ones (ureq, attohttpc, minreq) read a body only up to a time-out
//! of the whole call or without any, so that a silent camera would hold up the stop; ureq's protocol
//! without its sockets has no such wish.
//!
//! Not here: sockets, clocks, and what to do about a refusal.

use ureq_proto::BodyMode;
use ureq_proto::client::state::{RecvBody, RecvResponse};
use ureq_proto::client::{Call, RecvBodyResult, RecvResponseResult, SendRequestResult};
use ureq_proto::http::{self, HeaderMap, Request, Response, StatusCode, header};

use super::multipart::{self, NoParts, Parts};
use super::tags::Tags;
use super::url::Url;

/// Longest head of a response, bytes.
const MAX_HEAD: usize = 16 << 10;
/// Longest line that tells a chunk's size, bytes.
const MAX_CHUNK_LINE: usize = 1 << 10;
/// Bytes a read: a frame or so.
const PIECE: usize = 64 << 10;
/// Room for a request: an address of 2 KiB, a login of any sensible length.
const MAX_REQUEST: usize = 16 << 10;
const USER_AGENT: &str = concat!("seqcast/", env!("CARGO_PKG_VERSION"));

/// What came of the answer, in its order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Found {
    /// A picture, lent by [`Exchange::picture`] until more bytes are taken.
    Picture(Tags),
    /// A picture longer than any frame may be; it is skipped.
    TooLong,
    /// A picture that broke off, or whose headers have no end.
    Broken,
    /// What was asked for is elsewhere: there.
    Elsewhere(String),
    /// All of the answer is there.
    End,
}

/// Why there are no pictures to be had. For a person; nothing in it is the server's to choose but
/// a few printable characters.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// Status 401, and no user was named.
    #[error(
        "401: user and password are wanted: give http://USER:PASSWORD@… or SEQCAST_SOURCE_AUTH"
    )]
    LoginWanted,
    /// Status 401 all the same.
    #[error("401: this user and password are not taken")]
    LoginRefused,
    /// Status 401, and no way to log in that is known here.
    #[error("401: it takes no Basic login, which alone is supported")]
    NoBasic,
    /// Another status; code and its meaning.
    #[error("{0}")]
    Status(http::StatusCode),
    /// Another content type; which.
    #[error("not MJPEG: {0}")]
    NotMjpeg(String),
    /// The connection was closed without any answer.
    #[error("it closed the connection without an answer")]
    Closed,
    /// A still that is longer than any frame may be.
    #[error("its picture is longer than any may be")]
    TooLong,
    /// A head or a chunk that cannot be read.
    #[error("it does not speak HTTP: {0}")]
    Http(String),
    /// A multipart answer without parts.
    #[error("not MJPEG: {0}")]
    NoParts(#[from] NoParts),
}

impl From<ureq_proto::Error> for Refusal {
    fn from(error: ureq_proto::Error) -> Self {
        Refusal::Http(printable(error.to_string().as_bytes()))
    }
}

#[derive(Debug)]
enum State {
    Head(Call<RecvResponse>),
    Body(Call<RecvBody>),
    /// Only its end is yet to be said.
    Ended,
    Over,
}

/// What the answer carries.
#[derive(Debug)]
enum Body {
    Parts(Box<Parts>),
    /// One picture.
    Still(Tags, Vec<u8>),
}

/// A request that was sent, and its answer so far.
#[derive(Debug)]
pub struct Exchange {
    state: State,
    /// Known with the head.
    body: Option<Body>,
    /// Bytes of the answer as they came, not yet taken apart.
    raw: Vec<u8>,
    max_frame: usize,
    with_login: bool,
    reusable: bool,
}

impl Exchange {
    /// What to send to ask for `url`, and the machine that reads the answer, whose pictures have at
    /// most `max_frame` bytes.
    ///
    /// # Errors
    /// [`Refusal::Http`] where no request can be made of it.
    pub fn ask(url: &Url, max_frame: usize) -> Result<(Exchange, Vec<u8>), Refusal> {
        let mut request = Request::get(url.uri().clone())
            .header(header::USER_AGENT, USER_AGENT)
            .header(header::ACCEPT, "multipart/x-mixed-replace, image/jpeg");
        let login = url.authorization();
        if let Some(login) = &login {
            request = request.header(header::AUTHORIZATION, login);
        }
        let request = request.body(()).map_err(|e| Refusal::Http(e.to_string()))?;
        let mut call = Call::new(request)?.proceed();
        let mut bytes = vec![0; MAX_REQUEST];
        let len = call.write(&mut bytes)?;
        bytes.truncate(len);
        let Some(SendRequestResult::RecvResponse(call)) = call.proceed()? else {
            return Err(Refusal::Http("the request is too long".into()));
        };
        let exchange = Exchange {
            state: State::Head(call),
            body: None,
            raw: Vec::new(),
            max_frame,
            with_login: login.is_some(),
            reusable: false,
        };
        Ok((exchange, bytes))
    }

    /// Takes up to [`PIECE`] bytes of the answer, which `put` writes and counts.
    ///
    /// # Errors
    /// Those of `put`.
    pub fn fill<E>(&mut self, put: impl FnOnce(&mut [u8]) -> Result<usize, E>) -> Result<usize, E> {
        let len = self.raw.len();
        self.raw.resize(len + PIECE, 0);
        let taken = put(&mut self.raw[len..]);
        let kept = taken.as_ref().map_or(0, |&taken| taken.min(PIECE));
        self.raw.truncate(len + kept);
        taken
    }

    /// The next thing in what was taken so far. What was lent is gone.
    ///
    /// # Errors
    /// [`Refusal`], for good.
    pub fn advance(&mut self) -> Result<Option<Found>, Refusal> {
        loop {
            match (&mut self.state, &mut self.body) {
                (State::Body(call), Some(body)) => {
                    if let Some(found) = body.next(self.max_frame)? {
                        return Ok(Some(found));
                    }
                    if call.body_mode() != BodyMode::CloseDelimited && call.can_proceed() {
                        return Ok(self.end());
                    }
                    if self.raw.is_empty() {
                        return Ok(None);
                    }
                    let room = self.raw.len();
                    let mut taken = 0;
                    let given = body.fill(room, |room| {
                        let (used, given) = call.read(&self.raw, room)?;
                        taken = used;
                        Ok::<_, ureq_proto::Error>(given)
                    })?;
                    self.raw.drain(..taken);
                    if (taken, given) == (0, 0) && !call.can_proceed() {
                        if self.raw.len() > MAX_CHUNK_LINE {
                            return Err(Refusal::Http("a chunk without its size".into()));
                        }
                        return Ok(None);
                    }
                }
                (State::Head(_), _) => match self.head()? {
                    Some(found) => return Ok(Some(found)),
                    None if matches!(self.state, State::Head(_)) => return Ok(None),
                    None => {}
                },
                (State::Ended, _) => {
                    self.state = State::Over;
                    return Ok(Some(Found::End));
                }
                (State::Over | State::Body(_), _) => return Ok(None),
            }
        }
    }

    /// The same when no more bytes come.
    ///
    /// # Errors
    /// [`Refusal::Closed`] where there was no answer yet.
    pub fn closed(&mut self) -> Result<Option<Found>, Refusal> {
        match &self.state {
            State::Head(_) => Err(Refusal::Closed),
            State::Body(_) => Ok(self.end()),
            State::Ended | State::Over => self.advance(),
        }
    }

    /// The picture found last.
    pub fn picture(&self) -> &[u8] {
        match &self.body {
            Some(Body::Parts(parts)) => parts.part(),
            Some(Body::Still(_, bytes)) => bytes,
            None => &[],
        }
    }

    /// Whether the answer is one picture: the next takes another request.
    pub fn is_still(&self) -> bool {
        matches!(self.body, Some(Body::Still(..)))
    }

    /// Whether anything of an answer has come.
    pub fn has_begun(&self) -> bool {
        !self.raw.is_empty() || !matches!(self.state, State::Head(_))
    }

    /// After [`Found::End`]: whether the connection may be asked again.
    pub fn is_reusable(&self) -> bool {
        self.reusable && self.raw.is_empty()
    }

    /// Takes the head off, once it is all there.
    fn head(&mut self) -> Result<Option<Found>, Refusal> {
        loop {
            let State::Head(call) = &mut self.state else {
                return Ok(None);
            };
            let (used, response) = call.try_response(&self.raw, false)?;
            self.raw.drain(..used);
            let Some(response) = response else {
                if used > 0 {
                    continue; // of a 1xx, which announces another
                }
                if self.raw.len() > MAX_HEAD {
                    return Err(Refusal::Http("the head has no end".into()));
                }
                return Ok(None);
            };
            if used > MAX_HEAD {
                // However the bytes were cut.
                return Err(Refusal::Http("the head has no end".into()));
            }
            if let Some(location) = response.headers().get(header::LOCATION)
                && response.status().is_redirection()
            {
                self.state = State::Over;
                let location = String::from_utf8_lossy(location.as_bytes()).into_owned();
                return Ok(Some(Found::Elsewhere(location)));
            }
            self.body = Some(body(&response, self.with_login, self.max_frame)?);
            let State::Head(call) = std::mem::replace(&mut self.state, State::Ended) else {
                return Ok(None);
            };
            return Ok(match call.proceed() {
                Some(RecvResponseResult::RecvBody(call)) => {
                    self.state = State::Body(call);
                    None
                }
                // Without a body.
                _ => Some(Found::Broken),
            });
        }
    }

    /// No more of the body comes.
    fn end(&mut self) -> Option<Found> {
        let State::Body(call) = std::mem::replace(&mut self.state, State::Ended) else {
            return None;
        };
        let whole = call.can_proceed();
        if let Some(RecvBodyResult::Cleanup(call)) = call.proceed() {
            self.reusable = !call.must_close_connection();
        }
        let rest = self.body.as_mut().and_then(|body| body.finish(whole));
        rest.or_else(|| {
            self.state = State::Over;
            Some(Found::End)
        })
    }
}

impl Body {
    fn fill<E>(
        &mut self,
        room: usize,
        put: impl FnOnce(&mut [u8]) -> Result<usize, E>,
    ) -> Result<usize, E> {
        match self {
            Body::Parts(parts) => parts.fill(room, put),
            Body::Still(_, bytes) => {
                let len = bytes.len();
                bytes.resize(len + room, 0);
                let taken = put(&mut bytes[len..]);
                bytes.truncate(len + taken.as_ref().map_or(0, |&taken| taken.min(room)));
                taken
            }
        }
    }

    fn next(&mut self, max_frame: usize) -> Result<Option<Found>, Refusal> {
        match self {
            Body::Parts(parts) => Ok(parts.next_part()?.map(Found::from)),
            Body::Still(_, bytes) if bytes.len() > max_frame => Err(Refusal::TooLong),
            Body::Still(..) => Ok(None),
        }
    }

    /// Nothing comes any more; `whole`: nothing is missing by what HTTP says.
    fn finish(&mut self, whole: bool) -> Option<Found> {
        match self {
            Body::Parts(parts) => parts.finish().map(Found::from),
            Body::Still(tags, bytes) if whole && !bytes.is_empty() => Some(Found::Picture(*tags)),
            Body::Still(..) => Some(Found::Broken),
        }
    }
}

impl From<multipart::Found> for Found {
    fn from(found: multipart::Found) -> Self {
        match found {
            multipart::Found::Part(tags) => Found::Picture(tags),
            multipart::Found::TooLong => Found::TooLong,
            multipart::Found::Broken => Found::Broken,
            multipart::Found::End => Found::End,
        }
    }
}

/// What kind of body follows this head, if it is one for us.
fn body(response: &Response<()>, with_login: bool, max_frame: usize) -> Result<Body, Refusal> {
    let headers = response.headers();
    match response.status() {
        StatusCode::OK => {}
        StatusCode::UNAUTHORIZED if !takes_basic(headers) => return Err(Refusal::NoBasic),
        StatusCode::UNAUTHORIZED if with_login => return Err(Refusal::LoginRefused),
        StatusCode::UNAUTHORIZED => return Err(Refusal::LoginWanted),
        other => return Err(Refusal::Status(other)),
    }
    let Some(content_type) = headers.get(header::CONTENT_TYPE) else {
        return Err(Refusal::NotMjpeg("it names no content type".into()));
    };
    let kind = content_type.as_bytes().split(|&b| b == b';').next();
    let kind = kind.unwrap_or_default().trim_ascii();
    let kind = printable(&kind.to_ascii_lowercase());
    if kind.starts_with("multipart/") {
        return Ok(Body::Parts(Box::new(Parts::new(max_frame))));
    }
    if !["image/jpeg", "image/jpg", "image/pjpeg"].contains(&&*kind) {
        return Err(Refusal::NotMjpeg(kind));
    }
    let mut tags = Tags::default();
    for (name, value) in headers {
        tags.header(name.as_str().as_bytes(), value.as_bytes());
    }
    Ok(Body::Still(tags, Vec::new()))
}

/// Whether a 401 has the Basic scheme among its challenges (RFC 9110 section 11.6.1), or none.
fn takes_basic(headers: &HeaderMap) -> bool {
    let challenges = || headers.get_all(header::WWW_AUTHENTICATE).iter();
    let basic = |c: &http::HeaderValue| {
        let text = c.as_bytes().to_ascii_lowercase();
        text.starts_with(b"basic") || text.windows(7).any(|w| w == b", basic")
    };
    challenges().next().is_none() || challenges().any(basic)
}

/// For a message: short and plain, whatever it was.
fn printable(bytes: &[u8]) -> String {
    let plain = |&b: &u8| {
        if b == b' ' || b.is_ascii_graphic() {
            b.into()
        } else {
            '?'
        }
    };
    bytes.iter().take(80).map(plain).collect()
}

#[cfg(test)]
mod tests;
