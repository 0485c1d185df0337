//! TLS, by `rustls`, between what is said and a non-blocking socket. And the server's identity: its certificate and key.
//!
//! What is written was private memory before it got here: a frame that is overtaken while it is
//! being encrypted could not be told from a whole one. At most [`BUFFER`] encrypted bytes are held
//! in the process; the rest waits for the socket.
//!
//! Not here: what is said, and until when (`connection`).

use std::io::{self, ErrorKind, IoSlice, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::crypto::ring;
use rustls::pki_types::pem::{self, PemObject as _};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::NoServerSessionStorage;
use rustls::{ServerConfig, ServerConnection};

/// Encrypted bytes that wait for the socket, at most: a system call for every 16 records.
const BUFFER: usize = 256 << 10;

/// The first byte of a TLS connection: a handshake record (RFC 8446 section 5.1).
pub(crate) const HELLO: u8 = 22;

/// What the server shows and proves: certificate, key, and the key of its session tickets, which all
/// processes share that are forked after it was loaded. (Each makes ticket keys of its own from the
/// sixth hour on; a viewer that comes to another process then shakes hands in full.)
#[derive(Debug, Clone)]
pub struct Identity(Arc<ServerConfig>);

/// Why there is no identity. Each names the option to change.
#[derive(Debug, thiserror::Error)]
#[allow(missing_docs)] // the messages say it
pub enum IdentityError {
    #[error("{option} {}: {error}: it must be a file that this user may read", .path.display())]
    Unreadable {
        option: &'static str,
        path: PathBuf,
        error: io::Error,
    },
    #[error("--tls-cert {} has no certificate in it: use a PEM file, the server's own certificate first", .0.display())]
    NoCertificate(PathBuf),
    #[error("--tls-key {} has no private key in it: use a PEM file, not encrypted", .0.display())]
    NoKey(PathBuf),
    #[error("{option} {} is not as PEM has it ({error}): use a PEM file", .path.display())]
    Malformed {
        option: &'static str,
        path: PathBuf,
        error: pem::Error,
    },
    #[error("--tls-key {} is not the key of --tls-cert {}: use the two that were made together", .key.display(), .cert.display())]
    Mismatch { cert: PathBuf, key: PathBuf },
    #[error("--tls-cert {} and --tls-key {} cannot be used: {error}", .cert.display(), .key.display())]
    Unusable {
        cert: PathBuf,
        key: PathBuf,
        error: rustls::Error,
    },
}

impl Identity {
    /// Reads a certificate, with those that vouch for it behind it, and its key, both PEM.
    ///
    /// # Errors
    /// [`IdentityError`].
    pub fn load(cert: &Path, key: &Path) -> Result<Identity, IdentityError> {
        let failed = |option, path: &Path, error| {
            let path = path.to_owned();
            match error {
                pem::Error::Io(error) => IdentityError::Unreadable {
                    option,
                    path,
                    error,
                },
                error => IdentityError::Malformed {
                    option,
                    path,
                    error,
                },
            }
        };
        let chain = CertificateDer::pem_file_iter(cert)
            .and_then(Iterator::collect::<Result<Vec<_>, _>>)
            .map_err(|error| failed("--tls-cert", cert, error))?;
        if chain.is_empty() {
            return Err(IdentityError::NoCertificate(cert.to_owned()));
        }
        let private = PrivateKeyDer::from_pem_file(key).map_err(|error| match error {
            pem::Error::NoItemsFound => IdentityError::NoKey(key.to_owned()),
            error => failed("--tls-key", key, error),
        })?;
        config(chain, private)
            .map(|config| Identity(Arc::new(config)))
            .map_err(|error| {
                let (cert, key) = (cert.to_owned(), key.to_owned());
                match error {
                    rustls::Error::InconsistentKeys(_) => IdentityError::Mismatch { cert, key },
                    error => IdentityError::Unusable { cert, key, error },
                }
            })
    }
}

fn config(
    chain: Vec<CertificateDer<'static>>,
    key: PrivateKeyDer<'static>,
) -> Result<ServerConfig, rustls::Error> {
    let mut config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(chain, key)?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    // A session that one process keeps is of no use to the next, which gets the next connection.
    config.session_storage = Arc::new(NoServerSessionStorage {});
    config.ticketer = ring::Ticketer::new()?;
    Ok(config)
}

/// Reads of the socket for one read of what was in them.
const RECORDS: usize = 16;

/// A connection's TLS. A read or write that the socket cannot finish now gives `WouldBlock`.
#[derive(Debug)]
pub(crate) struct Session {
    connection: ServerConnection,
    /// Bytes of the next write that are encrypted, and not all with the socket yet.
    taken: usize,
}

impl Session {
    /// One that has heard nothing yet.
    pub fn new(identity: &Identity) -> io::Result<Session> {
        let config = identity.0.clone();
        let mut connection = ServerConnection::new(config).map_err(io::Error::other)?;
        connection.set_buffer_limit(Some(BUFFER));
        Ok(Session {
            connection,
            taken: 0,
        })
    }

    pub fn is_handshaking(&self) -> bool {
        self.connection.is_handshaking()
    }

    /// Reads, and shakes hands first.
    pub fn read(&mut self, socket: &mut (impl Read + Write), out: &mut [u8]) -> io::Result<usize> {
        for _ in 0..RECORDS {
            // What is decrypted comes first: the socket says nothing of it.
            match self.decrypted(out) {
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                read => return read,
            }
            match self.flush(socket) {
                // The answers of a handshake: the peer waits for them, or does not take them yet.
                Err(error) if error.kind() != ErrorKind::WouldBlock => return Err(error),
                _ => {}
            }
            self.connection.read_tls(socket)?;
            if let Err(error) = self.connection.process_new_packets() {
                let _ = self.flush(socket); // says why
                return Err(io::Error::new(ErrorKind::InvalidData, error));
            }
        }
        // Who sends records without a byte in them has no more than its turn.
        self.decrypted(out)
    }

    fn decrypted(&mut self, out: &mut [u8]) -> io::Result<usize> {
        match self.connection.reader().read(out) {
            // The end, without the word for it.
            Err(error) if error.kind() == ErrorKind::UnexpectedEof => Ok(0),
            read => read,
        }
    }

    /// Writes as much as the socket takes. After `WouldBlock`, or less than all, the next write has
    /// to begin with the same bytes: some of them may be encrypted already.
    pub fn write(&mut self, socket: &mut impl Write, pieces: &[IoSlice<'_>]) -> io::Result<usize> {
        let mut done = 0;
        for piece in pieces.iter().filter(|piece| !piece.is_empty()) {
            let mut rest = &piece[..];
            loop {
                match self.flush(socket) {
                    Err(_) if done > 0 => return Ok(done), // the next write meets it again
                    flushed => flushed?,
                }
                let out = std::mem::take(&mut self.taken);
                done += out;
                rest = rest.get(out..).unwrap_or_default();
                if rest.is_empty() {
                    break;
                }
                self.taken = self.connection.writer().write(rest)?;
                // TLS 1.2 ends after so many records, and rustls takes what it no longer sends.
                if self.taken > 0 && !self.connection.wants_write() {
                    return Err(ErrorKind::ConnectionAborted.into());
                }
            }
        }
        Ok(done)
    }

    /// Says that nothing more comes: nobody in between can say it.
    pub fn close(&mut self, socket: &mut impl Write) -> io::Result<()> {
        self.connection.send_close_notify();
        self.flush(socket)
    }

    /// Gives the socket all that is encrypted.
    fn flush(&mut self, socket: &mut impl Write) -> io::Result<()> {
        while self.connection.wants_write() {
            if self.connection.write_tls(socket)? == 0 {
                return Err(ErrorKind::WriteZero.into());
            }
        }
        Ok(())
    }
}
