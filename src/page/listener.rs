//! Connections with limits: so many at once, and none that says and hears nothing.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::serve::Listener;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, Sleep, sleep_until};

/// Connections at once; others wait to be accepted. Each takes a descriptor, which ROS needs, too.
pub(super) const CONNECTIONS: usize = 64;
/// Longer than the longest capture, in which nothing is sent.
pub(super) const IDLE: Duration = Duration::from_secs(90);

/// Accepts so many connections at once.
pub(super) struct Limited {
    listener: TcpListener,
    permits: Arc<Semaphore>,
    idle: Duration,
}

impl Limited {
    pub(super) fn new(listener: TcpListener, connections: usize, idle: Duration) -> Self {
        Self { listener, permits: Arc::new(Semaphore::new(connections)), idle }
    }
}

impl Listener for Limited {
    type Io = Connection;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Connection, SocketAddr) {
        // It is never closed; without a permit the connection would be one too many, and no more.
        let permit = Arc::clone(&self.permits).acquire_owned().await.ok();
        let (stream, address) = Listener::accept(&mut self.listener).await;
        let deadline = Box::pin(sleep_until(Instant::now() + self.idle));
        (Connection { stream, idle: self.idle, active: Instant::now(), deadline, _permit: permit }, address)
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }
}

/// A connection that ends when nothing goes either way for too long.
pub(super) struct Connection {
    stream: TcpStream,
    idle: Duration,
    /// When the last byte went.
    active: Instant,
    deadline: Pin<Box<Sleep>>,
    _permit: Option<OwnedSemaphorePermit>,
}

impl Connection {
    fn note<T>(&mut self, done: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        if done.is_ready() {
            self.active = Instant::now();
        }
        done
    }
}

impl AsyncRead for Connection {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let read = Pin::new(&mut self.stream).poll_read(context, buffer);
        if read.is_ready() {
            return self.note(read);
        }
        while self.deadline.as_mut().poll(context).is_ready() {
            let due = self.active + self.idle;
            if due <= Instant::now() {
                return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
            }
            self.deadline.as_mut().reset(due);
        }
        Poll::Pending
    }
}

impl AsyncWrite for Connection {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(context, bytes);
        self.note(written)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::time::timeout;

    use super::*;

    async fn limited(connections: usize, idle: Duration) -> (Limited, SocketAddr) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        (Limited::new(listener, connections, idle), address)
    }

    #[tokio::test]
    async fn a_connection_without_a_byte_ends_and_one_that_talks_does_not() {
        let (mut limited, address) = limited(2, Duration::from_millis(200)).await;
        let (_silent, mut talks) =
            (TcpStream::connect(address).await.unwrap(), TcpStream::connect(address).await.unwrap());
        let ((mut first, _), (mut second, _)) = (limited.accept().await, limited.accept().await);
        let mut byte = [0];
        let talking = async {
            for _ in 0..6 {
                tokio::time::sleep(Duration::from_millis(80)).await;
                talks.write_all(b"x").await.unwrap();
                second.read_exact(&mut byte).await.unwrap();
            }
        };
        let mut nothing = [0];
        let (ended, ()) = tokio::join!(first.read(&mut nothing), talking);
        assert_eq!(ended.unwrap_err().kind(), io::ErrorKind::TimedOut);
    }

    #[tokio::test]
    async fn one_too_many_waits_until_another_has_ended() {
        let (mut limited, address) = limited(1, IDLE).await;
        let _both = (TcpStream::connect(address).await.unwrap(), TcpStream::connect(address).await.unwrap());
        let (first, _) = limited.accept().await;
        assert!(timeout(Duration::from_millis(100), limited.accept()).await.is_err());
        drop(first);
        assert!(timeout(Duration::from_secs(10), limited.accept()).await.is_ok());
    }
}
