//! Ids as the world sees them: a kind, an underscore, and 26 lower-case characters of
//! Crockford's base 32 that write a UUIDv7. They sort by the time of their making, say nothing
//! about how many there are, and cannot be guessed.

use scanner::time::Millis;
use uuid::{NoContext, Timestamp, Uuid};

const ALPHABET: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";
/// Characters that 128 bits need.
const LENGTH: usize = 26;

/// What an id names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// `srv_…`
    Server,
    /// `scn_…`
    Scan,
    /// `iss_…`; its bytes are a digest of the issuer identifier, so that one issuer has one id
    /// everywhere.
    Issuer,
}

impl Kind {
    fn prefix(self) -> &'static str {
        match self {
            Self::Server => "srv_",
            Self::Scan => "scn_",
            Self::Issuer => "iss_",
        }
    }

    /// Writes 16 bytes as an id.
    #[must_use]
    pub fn write(self, bytes: [u8; 16]) -> String {
        let mut number = u128::from_be_bytes(bytes);
        let mut digits = [b'0'; LENGTH];
        for digit in digits.iter_mut().rev() {
            *digit = ALPHABET[(number & 31) as usize];
            number >>= 5;
        }
        let mut id = String::with_capacity(self.prefix().len() + LENGTH);
        id.push_str(self.prefix());
        id.extend(digits.iter().map(|digit| char::from(*digit)));
        id
    }

    /// Reads an id of this kind back into its bytes, or `None` if the text is not one. Only the
    /// form that [`Kind::write`] makes is read, so that one thing has one id.
    #[must_use]
    pub fn read(self, text: &str) -> Option<[u8; 16]> {
        let digits = text.strip_prefix(self.prefix())?.as_bytes();
        if digits.len() != LENGTH || digits[0] > b'7' {
            return None;
        }
        let mut number = 0_u128;
        for digit in digits {
            let value = ALPHABET.iter().position(|letter| letter == digit)?;
            number = (number << 5) | u128::try_from(value).ok()?;
        }
        Some(number.to_be_bytes())
    }

    /// A new id for something made at this instant. The other 74 bits come from the operating
    /// system.
    #[must_use]
    pub fn fresh(self, at: Millis) -> String {
        self.write(fresh_bytes(at))
    }
}

/// The bytes of a new id.
pub(crate) fn fresh_bytes(at: Millis) -> [u8; 16] {
    let millis = u64::try_from(at.0).unwrap_or(0);
    let nanos = u32::try_from(millis % 1000).unwrap_or(0) * 1_000_000;
    Uuid::new_v7(Timestamp::from_unix(NoContext, millis / 1000, nanos)).into_bytes()
}

/// What an open store is called where hosts are held; never 0.
pub(crate) fn holder() -> i64 {
    let (high, _) = Uuid::new_v4().as_u64_pair();
    i64::from_be_bytes(high.to_be_bytes())
        .saturating_abs()
        .max(1)
}

#[cfg(test)]
mod tests {
    use scanner::time::Millis;

    use super::{Kind, fresh_bytes};

    #[test]
    fn ids_are_read_as_written() {
        for bytes in [[0; 16], [255; 16], fresh_bytes(Millis(1_795_144_327_123))] {
            let id = Kind::Scan.write(bytes);
            assert_eq!(id.len(), 30);
            assert_eq!(Kind::Scan.read(&id), Some(bytes));
            assert_eq!(Kind::Server.read(&id), None, "a scan is no server");
        }
    }

    #[test]
    fn later_ids_sort_later() {
        let early = Kind::Server.fresh(Millis(1_795_144_327_000));
        let late = Kind::Server.fresh(Millis(1_795_144_327_001));
        assert!(early < late);
        assert_ne!(early, Kind::Server.fresh(Millis(1_795_144_327_000)));
    }

    #[test]
    fn other_texts_are_no_ids() {
        for text in [
            "",
            "scn_",
            "scn_0000000000000000000000000",
            "scn_000000000000000000000000000",
            "scn_0000000000000000000000000u",
            "scn_0000000000000000000000000A",
            "scn_80000000000000000000000000",
            "scn_0000000000000000000000000é",
        ] {
            assert_eq!(Kind::Scan.read(text), None, "{text}");
        }
    }
}
