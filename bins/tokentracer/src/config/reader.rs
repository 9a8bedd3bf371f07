//! Reads settings one by one, and collects every fault instead of stopping at the first.

use std::net::IpAddr;
use std::str::FromStr;
use std::time::Duration;

use ipnet::IpNet;
use secrecy::{ExposeSecret as _, SecretString};
use tt_core::BaseUrl;

/// The most of a bad value that a fault quotes, in characters.
const QUOTED: usize = 80;

/// Reads settings through a lookup by name. A bad value leaves a fault and yields a stand-in, which is never used:
/// whoever reads must look at the faults at the end.
pub(crate) struct Reader<'a> {
    lookup: &'a dyn Fn(&str) -> Option<String>,
    /// One line for each bad setting, beginning with its name.
    pub(crate) faults: Vec<String>,
}

impl<'a> Reader<'a> {
    pub(crate) fn new(lookup: &'a dyn Fn(&str) -> Option<String>) -> Self {
        Self { lookup, faults: Vec::new() }
    }

    /// The value, if there is one.
    pub(crate) fn given(&self, name: &str) -> Option<String> {
        (self.lookup)(name)
    }

    pub(crate) fn fault(&mut self, line: impl Into<String>) {
        self.faults.push(line.into());
    }

    /// The parsed value. Where `parse` refuses it, a fault says that it must be `must`.
    pub(crate) fn read<T>(&mut self, name: &str, must: &str, parse: impl FnOnce(&str) -> Option<T>, stand_in: T) -> T {
        let text = self.given(name).unwrap_or_default();
        parse(text.trim()).unwrap_or_else(|| {
            let quoted: String = text.chars().take(QUOTED).collect();
            self.fault(format!("{name}: must be {must}, not {quoted:?}"));
            stand_in
        })
    }

    /// One of these words, each with its meaning.
    pub(crate) fn one_of<T: Copy>(&mut self, name: &str, must: &str, words: &[(&str, T)], stand_in: T) -> T {
        let meaning = |text: &str| words.iter().find(|(word, _)| *word == text).map(|(_, meaning)| *meaning);
        self.read(name, must, meaning, stand_in)
    }

    /// True or false.
    pub(crate) fn yes_or_no(&mut self, name: &str) -> bool {
        let words = [("true", true), ("1", true), ("yes", true), ("false", false), ("0", false), ("no", false)];
        self.one_of(name, "true or false", &words, false)
    }

    pub(crate) fn number<T: FromStr + Default>(&mut self, name: &str) -> T {
        self.read(name, "a whole number in range", |text| text.parse().ok(), T::default())
    }

    /// A number of at least 1.
    pub(crate) fn positive(&mut self, name: &str) -> usize {
        self.read(name, "a whole number of at least 1", |text| text.parse().ok().filter(|n| *n > 0), 1)
    }

    /// A time from 1 ms to a day.
    pub(crate) fn duration(&mut self, name: &str) -> Duration {
        self.read(name, "a time such as 500ms, 5s or 2m, above zero", parse_duration, Duration::from_secs(1))
    }

    /// A time of at most a day, which may be zero.
    pub(crate) fn duration_or_zero(&mut self, name: &str) -> Duration {
        let parse = |text: &str| match text {
            "0" | "0s" | "0ms" => Some(Duration::ZERO),
            more => parse_duration(more),
        };
        self.read(name, "a time such as 0s, 500ms or 5s", parse, Duration::ZERO)
    }

    /// The address of a provider; `None` with a fault where it is bad, since an address has no stand-in.
    pub(crate) fn base_url(&mut self, name: &str) -> Option<BaseUrl> {
        let parsed = BaseUrl::parse(self.given(name).unwrap_or_default().trim());
        parsed.map_err(|error| self.fault(format!("{name}: {}", error.reason))).ok()
    }

    /// A secret of enough bytes, if it is given. A fault does not quote it.
    pub(crate) fn secret(&mut self, name: &'static str) -> Option<SecretString> {
        let value = SecretString::from(self.given(name)?);
        match tt_crypto::check_secret(name, &value) {
            Ok(()) => Some(value),
            Err(error) => {
                self.fault(error.to_string());
                None
            }
        }
    }

    /// As [`Reader::secret`], of a secret that clients send in a header.
    pub(crate) fn header_secret(&mut self, name: &'static str) -> Option<SecretString> {
        let secret = self.secret(name)?;
        if secret.expose_secret().bytes().all(|byte| byte.is_ascii_graphic()) {
            return Some(secret);
        }
        self.fault(format!("{name}: must be of visible ASCII characters without blanks, since it is sent in a header"));
        None
    }

    /// Networks, and addresses as networks of one, separated by commas.
    pub(crate) fn networks(&mut self, name: &str) -> Vec<IpNet> {
        let must = "addresses or networks such as 10.0.0.0/8, separated by commas";
        self.read(name, must, parse_networks, Vec::new())
    }
}

/// Parses `500ms`, `5s`, `2m` or `1h`: from 1 ms to a day.
pub(crate) fn parse_duration(text: &str) -> Option<Duration> {
    let split = text.find(|c: char| !c.is_ascii_digit())?;
    let (number, unit) = text.split_at(split);
    let number: u64 = number.parse().ok()?;
    let millis = match unit.trim() {
        "ms" => number,
        "s" => number.checked_mul(1000)?,
        "m" => number.checked_mul(60_000)?,
        "h" => number.checked_mul(3_600_000)?,
        _ => return None,
    };
    (1..=86_400_000).contains(&millis).then(|| Duration::from_millis(millis))
}

fn parse_networks(text: &str) -> Option<Vec<IpNet>> {
    let parse = |item: &str| item.parse::<IpNet>().ok().or_else(|| item.parse::<IpAddr>().ok().map(IpNet::from));
    text.split(',').map(str::trim).filter(|item| !item.is_empty()).map(parse).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_have_units() {
        for (text, millis) in [("500ms", 500), ("5s", 5000), ("2m", 120_000), ("1h", 3_600_000)] {
            assert_eq!(parse_duration(text), Some(Duration::from_millis(millis)));
        }
        for bad in ["5", "s", "0s", "-1s", "5d", "", "99999999999999999999s", "25h"] {
            assert_eq!(parse_duration(bad), None, "{bad}");
        }
    }

    #[test]
    fn an_address_is_a_network_of_one() {
        let networks = parse_networks("10.0.0.0/8, 192.0.2.1,").unwrap();
        assert_eq!(networks, ["10.0.0.0/8".parse().unwrap(), "192.0.2.1/32".parse().unwrap()]);
        assert_eq!(parse_networks("10.0.0.0/99"), None);
    }
}
