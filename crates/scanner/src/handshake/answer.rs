//! Reading the first thing that a server says to a ClientHello: records, alerts and the
//! ServerHello (RFC 5246 section 7.4.1.3, RFC 8446 section 4.1.3). Hostile bytes; nothing here
//! panics, and nothing is read past the first message.

use super::MOST_BYTES;
use crate::evidence::Hello;

/// Longest payload of a record with its expansion (RFC 5246 section 6.2.3).
const MOST_PAYLOAD: usize = (1 << 14) + 2048;

/// Longest ServerHello that is believed.
const MOST_HELLO: usize = 4096;

/// What the bytes received so far say. `None`: more must come; never `None` when `ended`, the
/// other side having closed, or when [`MOST_BYTES`] are reached.
#[must_use]
pub fn answer(bytes: &[u8], ended: bool) -> Option<Hello> {
    let ended = ended || bytes.len() >= MOST_BYTES;
    let mut said = Said::default();
    let mut rest = Reader(bytes);
    loop {
        match said.record(&mut rest) {
            Ok(Some(hello)) => return Some(hello),
            Ok(None) => {}
            Err(Bad::Short) if !ended => return None,
            Err(Bad::Short) if bytes.is_empty() => return Some(Hello::Closed),
            Err(Bad::Short) => return Some(said.warned.map_or(Hello::Unreadable, Hello::Alert)),
            Err(Bad::Broken) => return Some(Hello::Unreadable),
        }
    }
}

/// What was heard before the record that is read now.
#[derive(Default)]
struct Said {
    /// Handshake bytes of the records so far.
    handshake: Vec<u8>,
    /// The last warning, for instance that the name in SNI is not known.
    warned: Option<u8>,
}

enum Bad {
    /// More bytes are needed.
    Short,
    /// No TLS.
    Broken,
}

impl Said {
    fn record(&mut self, rest: &mut Reader<'_>) -> Result<Option<Hello>, Bad> {
        let kind = rest.byte()?;
        if !matches!(kind, 21 | 22) {
            return Err(Bad::Broken);
        }
        if rest.byte()? != 3 {
            return Err(Bad::Broken);
        }
        rest.byte()?;
        let length = usize::from(rest.number()?);
        if length == 0 || length > MOST_PAYLOAD {
            return Err(Bad::Broken);
        }
        if kind == 22 {
            // A ServerHello at the beginning of a long record need not wait for its end.
            let had = rest.0.len().min(length);
            self.handshake.extend_from_slice(&rest.0[..had]);
            return match server_hello(&self.handshake) {
                Err(Bad::Short) => rest.take(length).map(|_| None),
                Err(Bad::Broken) => Err(Bad::Broken),
                Ok(hello) => Ok(Some(hello)),
            };
        }
        let alert = rest.take(length)?;
        let [level, code] = *alert else {
            return Err(Bad::Broken);
        };
        if level == 1 && code != 0 {
            self.warned = Some(code);
            return Ok(None);
        }
        Ok(Some(Hello::Alert(code)))
    }
}

fn server_hello(bytes: &[u8]) -> Result<Hello, Bad> {
    let mut message = Reader(bytes);
    if message.byte()? != 2 {
        return Err(Bad::Broken);
    }
    let high = usize::from(message.byte()?);
    let length = high << 16 | usize::from(message.number()?);
    if length > MOST_HELLO {
        return Err(Bad::Broken);
    }
    let mut body = Reader(message.take(length)?);
    // Inside the message everything must be there.
    body.hello().map_err(|_| Bad::Broken)
}

/// Bytes that remain.
struct Reader<'b>(&'b [u8]);

impl<'b> Reader<'b> {
    fn hello(&mut self) -> Result<Hello, Bad> {
        let mut version = self.number()?;
        self.take(32)?;
        let session = usize::from(self.byte()?);
        if session > 32 {
            return Err(Bad::Broken);
        }
        self.take(session)?;
        let suite = self.number()?;
        self.byte()?;
        let mut group = None;
        if !self.0.is_empty() {
            let length = usize::from(self.number()?);
            let mut extensions = Reader(self.take(length)?);
            while !extensions.0.is_empty() {
                let kind = extensions.number()?;
                let length = usize::from(extensions.number()?);
                let mut data = Reader(extensions.take(length)?);
                match kind {
                    43 => version = data.number()?,
                    51 => group = Some(data.number()?),
                    _ => {}
                }
            }
        }
        if version >> 8 != 3 {
            return Err(Bad::Broken);
        }
        Ok(Hello::Chosen {
            version,
            suite,
            group,
        })
    }

    fn take(&mut self, length: usize) -> Result<&'b [u8], Bad> {
        let (taken, rest) = self.0.split_at_checked(length).ok_or(Bad::Short)?;
        self.0 = rest;
        Ok(taken)
    }

    fn byte(&mut self) -> Result<u8, Bad> {
        Ok(self.take(1)?[0])
    }

    fn number(&mut self) -> Result<u16, Bad> {
        let bytes = self.take(2)?;
        Ok(u16::from_be_bytes([bytes[0], bytes[1]]))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{MOST_BYTES, answer};
    use crate::evidence::Hello;

    fn record(kind: u8, payload: &[u8]) -> Vec<u8> {
        let length = u16::try_from(payload.len()).unwrap().to_be_bytes();
        [&[kind, 3, 3], &length[..], payload].concat()
    }

    fn message(version: u16, suite: u16, extensions: &[u8]) -> Vec<u8> {
        let mut body = version.to_be_bytes().to_vec();
        body.extend([9; 32]);
        body.push(0);
        body.extend(suite.to_be_bytes());
        body.push(0);
        if !extensions.is_empty() {
            body.extend(u16::try_from(extensions.len()).unwrap().to_be_bytes());
            body.extend(extensions);
        }
        let mut out = vec![2, 0];
        out.extend(u16::try_from(body.len()).unwrap().to_be_bytes());
        out.extend(body);
        out
    }

    fn chosen(version: u16, suite: u16, group: Option<u16>) -> Option<Hello> {
        Some(Hello::Chosen {
            version,
            suite,
            group,
        })
    }

    #[test]
    fn server_hellos_of_every_version() {
        let old = record(22, &message(0x0301, 0x002f, &[]));
        assert_eq!(answer(&old, false), chosen(0x0301, 0x002f, None));
        let ssl = record(22, &message(0x0300, 0x0005, &[]));
        assert_eq!(answer(&ssl, false), chosen(0x0300, 0x0005, None));
        let new = [0, 43, 0, 2, 3, 4, 0, 51, 0, 4, 0, 0x1d, 0, 0];
        let new = record(22, &message(0x0303, 0x1301, &new));
        assert_eq!(answer(&new, false), chosen(0x0304, 0x1301, Some(0x1d)));
    }

    #[test]
    fn a_hello_may_span_records_and_share_them() {
        let hello = message(0x0302, 0xc013, &[]);
        let split = [record(22, &hello[..7]), record(22, &hello[7..])].concat();
        assert_eq!(answer(&split, false), chosen(0x0302, 0xc013, None));
        let with_more = record(22, &[hello, vec![11; 3000]].concat());
        // The certificate after it need not have arrived.
        assert_eq!(
            answer(&with_more[..200], false),
            chosen(0x0302, 0xc013, None)
        );
    }

    #[test]
    fn alerts_end_and_warnings_do_not() {
        let alert = |level, code| record(21, &[level, code]);
        assert_eq!(answer(&alert(2, 70), false), Some(Hello::Alert(70)));
        assert_eq!(answer(&alert(1, 0), false), Some(Hello::Alert(0)));
        assert_eq!(answer(&alert(1, 112), false), None);
        assert_eq!(answer(&alert(1, 112), true), Some(Hello::Alert(112)));
        let both = [alert(1, 112), record(22, &message(0x0303, 0x000a, &[]))].concat();
        assert_eq!(answer(&both, false), chosen(0x0303, 0x000a, None));
    }

    #[test]
    fn what_is_no_tls_is_called_so() {
        for bytes in [
            b"HTTP/1.1 400 Bad Request\r\n\r\n".to_vec(),
            record(23, &[1]),
            record(22, &[]),
            record(22, &[14, 0, 0, 0]),
            record(22, &[2, 1, 0, 0]),
            record(21, &[2]),
            record(22, &message(0x0303, 0x1301, &[0, 43, 0, 9, 3])),
            record(22, &message(0x7f12, 0x1301, &[])),
        ] {
            assert_eq!(answer(&bytes, false), Some(Hello::Unreadable), "{bytes:?}");
        }
        assert_eq!(answer(&[], true), Some(Hello::Closed));
        assert_eq!(answer(&[22, 3], true), Some(Hello::Unreadable));
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_and_more_bytes_change_no_answer(
            bytes in proptest::collection::vec(any::<u8>(), 0..400),
            cut in 0usize..400,
            tls in any::<bool>(),
        ) {
            let bytes = if tls { record(22, &bytes) } else { bytes };
            prop_assert!(answer(&bytes, true).is_some());
            let early = answer(&bytes[..cut.min(bytes.len())], false);
            if early.is_some() {
                prop_assert_eq!(answer(&bytes, false), early);
            }
        }

        #[test]
        fn a_hello_is_never_waited_for_longer_than_its_cap(kind in 21u8..23, fill in any::<u8>()) {
            let mut bytes = vec![kind, 3, 1, 0x40, 0];
            bytes.resize(MOST_BYTES, fill);
            prop_assert!(answer(&bytes, false).is_some());
        }

        #[test]
        fn a_hello_cut_anywhere_waits_for_the_rest(cut in 0usize..42) {
            let whole = record(22, &message(0x0303, 0x000a, &[]));
            prop_assert_eq!(answer(&whole[..cut], false), None);
            prop_assert_eq!(answer(&whole, false), chosen(0x0303, 0x000a, None));
        }
    }
}
