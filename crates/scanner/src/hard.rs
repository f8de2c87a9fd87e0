//! The limits that no configuration exceeds, as numbers in code: one set for public installations,
//! one for everybody else. The site refuses to start with more; the scanner lowers what it is
//! given all the same, so that a limit holds however a scanner came to be made.

use std::time::Duration;

/// The most, and where a name says so the least, that may ever be set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Hard {
    /// Requests to the endpoint's host in one scan, below depth consented.
    pub endpoint_requests: u32,
    /// Requests to each other host in one scan, below depth consented.
    pub as_requests: u32,
    /// Further requests to each host at depth consented and deeper.
    pub consented_requests: u32,
    /// Length of a scan.
    pub scan_seconds: u32,
    /// Until a connection stands.
    pub connect_seconds: u32,
    /// Until the first byte of an answer.
    pub first_byte_seconds: u32,
    /// Until the end of an answer.
    pub request_seconds: u32,
    /// Repetitions of what failed.
    pub retries: u32,
    /// Bytes read of a document.
    pub body_bytes: u32,
    /// Bytes read of an HTML page.
    pub html_bytes: u32,
    /// Bytes read of an event stream that answers.
    pub sse_bytes: u32,
    /// The same in seconds.
    pub sse_seconds: u32,
    /// Seconds of an event stream that never ends.
    pub idle_stream_seconds: u32,
    /// Bytes of the headers of an answer.
    pub header_bytes: u32,
    /// Lines of headers of an answer.
    pub headers: u32,
    /// Redirects followed.
    pub redirect_hops: u32,
    /// Least time between two requests to a public host.
    pub least_interval_ms: u32,
    /// Connections to one host at a time.
    pub per_host: u32,
    /// Hosts of one registrable domain at a time.
    pub operator_hosts: u32,
    /// Requests per second in all.
    pub global_per_second: u32,
    /// Scans of one server on request in a day.
    pub on_request_per_day: u32,
    /// The same for its proved owner.
    pub on_request_per_day_proved: u32,
}

impl Hard {
    /// Of a public installation.
    pub const PUBLIC: Self = Self {
        endpoint_requests: 45,
        as_requests: 12,
        consented_requests: 80,
        scan_seconds: 300,
        connect_seconds: 5,
        first_byte_seconds: 20,
        request_seconds: 30,
        retries: 2,
        body_bytes: 256 * 1024,
        html_bytes: 8 * 1024,
        sse_bytes: 256 * 1024,
        sse_seconds: 15,
        idle_stream_seconds: 5,
        header_bytes: 32 * 1024,
        headers: 200,
        redirect_hops: 3,
        least_interval_ms: 1000,
        per_host: 1,
        operator_hosts: 2,
        global_per_second: 50,
        on_request_per_day: 1,
        on_request_per_day_proved: 12,
    };

    /// Of every other one.
    pub const PRIVATE: Self = Self {
        endpoint_requests: 200,
        as_requests: 60,
        consented_requests: 300,
        scan_seconds: 900,
        connect_seconds: 30,
        first_byte_seconds: 60,
        request_seconds: 120,
        retries: 3,
        body_bytes: 1024 * 1024,
        html_bytes: 1024 * 1024,
        sse_bytes: 1024 * 1024,
        sse_seconds: 60,
        idle_stream_seconds: 60,
        header_bytes: 32 * 1024,
        headers: 200,
        redirect_hops: 5,
        least_interval_ms: 50,
        per_host: 4,
        operator_hosts: 20,
        global_per_second: 500,
        on_request_per_day: u32::MAX,
        on_request_per_day_proved: u32::MAX,
    };

    /// A time, not longer than so many seconds.
    #[must_use]
    pub fn seconds(time: Duration, most: u32) -> Duration {
        time.min(Duration::from_secs(u64::from(most)))
    }

    /// A number of bytes or lines, not more than so many.
    #[must_use]
    pub fn bytes(count: usize, most: u32) -> usize {
        count.min(usize::try_from(most).unwrap_or(usize::MAX))
    }
}
