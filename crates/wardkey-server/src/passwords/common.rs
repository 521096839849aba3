//! Passwords that stand at the beginning of every list of guesses, as far as they are long enough to come here.
//!
//! A list of whole passwords would have to be very long, as most of the long ones that people choose are put together
//! from the same few words, digits and rows of keys. So the words are taken out, and what is left must be a password
//! still.

/// Words of which the usual guesses are made, without spaces and in lower case. Longer ones come before those that are
/// part of them.
const WORDS: &str = "\
    administrator administration passwords password passwort passw0rd pssw0rd pssword pa55word passphrase \
    motdepasse contrasena contraseña changeme changeit changethis letmein welcome willkommen bienvenue \
    bienvenido qwertyuiop qwertzuiop azertyuiop qwerty qwertz azerty asdfghjkl asdfgh zxcvbnm yxcvbnm \
    iloveyou ihateyou sunshine princess superman batman spiderman starwars football baseball basketball \
    dragon monkey shadow master secret geheim default example temporary company security database production \
    development staging testing test admin root user guest login hello world google facebook microsoft \
    windows apple amazon github trustno1 whatever freedom jesus summer winter spring autumn monday friday \
    january february october november december 1q2w3e4r5t6y 1q2w3e4r 1qaz2wsx3edc 1qaz2wsx abc123 abcdef \
    123456789 987654321 12345678 87654321 123123 1234567 123456 654321 12345 54321 1234 4321 123 321 111 000 \
    2023 2024 2025 2026 2027 mysecure mynew your this the is my and for not";

/// Phrases that are long and known to everybody, without spaces and in lower case.
const PHRASES: &str = "\
    correcthorsebatterystaple thequickbrownfoxjumpsoverthelazydog thequickbrownfox quickbrownfox \
    jumpsoverthelazydog tobeornottobe tobeornottobethatisthequestion maytheforcebewithyou \
    loremipsumdolorsitamet loremipsumdolor itwasthebestoftimes onceuponatime opensesame \
    hellodarknessmyoldfriend iamyourfather lukeiamyourfather winteriscoming neverforgetthis \
    idontknowmypassword iforgotmypassword thisismypassword thisisasecurepassword nevergonnagiveyouup \
    twinkletwinklelittlestar maryhadalittlelamb supercalifragilisticexpialidocious abrakadabra abracadabra \
    goodmorningvietnam welcometothejungle letsgetitstarted houstonwehaveaproblem elementarymydearwatson \
    franklymydearidontgiveadamn heylookatme inthebeginningwastheword ourfatherwhoartinheaven \
    iwillalwaysloveyou alliwantforchristmasisyou bohemianrhapsody stairwaytoheaven smellsliketeenspirit \
    theanswerisfortytwo dontpanic solongandthanksforallthefish";

/// The name of this product.
const PRODUCT: &str = "wardkey";

/// Rows along which a finger or a thought runs.
const ROWS: &[&str] = &[
    "abcdefghijklmnopqrstuvwxyz",
    "01234567890",
    "qwertyuiop",
    "qwertzuiop",
    "azertyuiop",
    "asdfghjkl",
    "zxcvbnm",
    "yxcvbnm",
    "qazwsxedcrfvtgbyhnujmikolp",
    "1qaz2wsx3edc4rfv5tgb6yhn7ujm8ik9ol0p",
    "1q2w3e4r5t6y7u8i9o0p",
];

/// How many letters and digits must be left when all that is common is taken out.
const MIN_OWN: usize = 6;
/// How many different characters there must be.
const MIN_DIFFERENT: usize = 5;
/// How long what is repeated may be.
const MAX_REPEATED: usize = 10;

/// Whether it is one of the first that are tried, for the person with this e-mail address.
pub(super) fn is_common(password: &str, email: &str) -> bool {
    let text: String = password.to_lowercase().chars().filter(|c| c.is_alphanumeric()).collect();
    // What is made of signs alone is no word, and is judged by what it is made of.
    let whole: Vec<char> = password.to_lowercase().chars().collect();
    different(&whole) < MIN_DIFFERENT
        || is_repetition(&whole)
        || is_repetition(&text.chars().collect::<Vec<_>>())
        || (!text.is_empty() && (runs_along_a_row(&text) || has_little_of_its_own(&text, email)))
}

fn different(text: &[char]) -> usize {
    let mut characters = text.to_vec();
    characters.sort_unstable();
    characters.dedup();
    characters.len()
}

/// Whether it is one short thing again and again.
fn is_repetition(text: &[char]) -> bool {
    (1..=MAX_REPEATED.min(text.len() / 2))
        .any(|length| text.iter().zip(text.iter().skip(length)).all(|(one, next)| one == next))
}

/// Whether nearly every step leads to a neighbour.
fn runs_along_a_row(text: &str) -> bool {
    let characters: Vec<char> = text.chars().collect();
    let is_step = |pair: &&[char]| {
        let (there, back) = (String::from_iter(*pair), String::from_iter(pair.iter().rev()));
        pair[0] == pair[1] || ROWS.iter().any(|row| row.contains(&there) || row.contains(&back))
    };
    let steps = characters.windows(2).filter(is_step).count();
    steps * 4 >= characters.len().saturating_sub(1) * 3
}

/// Whether little is left without the phrases, the words, the product, and what the e-mail address is made of.
fn has_little_of_its_own(text: &str, email: &str) -> bool {
    let email = email.to_lowercase();
    let squeezed: String = email.chars().filter(|c| c.is_alphanumeric()).collect();
    let parts = email.split(|c: char| !c.is_alphanumeric()).filter(|part| part.chars().count() >= 4);
    let whole = PHRASES.split(' ').chain([squeezed.as_str()]);
    let words = WORDS.split(' ').chain([PRODUCT]);
    let mut rest = text.to_owned();
    // What is taken out leaves a gap, so that its two sides do not make a word.
    for known in whole.chain(parts).chain(words).filter(|known| !known.is_empty()) {
        rest = rest.replace(known, " ");
    }
    rest.chars().filter(|c| c.is_alphanumeric()).count() < MIN_OWN
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_guesses_are_refused() {
        for guess in [
            "passwordpassword",
            "Password123456789!",
            "aaaaaaaaaaaaaaaaaaaa",
            "abababababababab",
            "abcdefghijklmnopqrst",
            "1234567890123456",
            "zyxwvutsrqponmlkji",
            "qwertyuiopasdfghjkl",
            "1qaz2wsx3edc4rfv",
            "correct horse battery staple",
            "Correct-Horse-Battery-Staple-1",
            "WardkeyWardkey2026",
            "wardkey-admin-password",
            "ada.lovelace@example.com",
            "AdaLovelace2026!!",
            "this is my password",
            "letmeinletmeinletmein1",
            "!!!!!!!!!!!!!!!!!!",
            "changeme-changeme-changeme",
            "Welcome to the jungle 1",
        ] {
            assert!(is_common(guess, "ada.lovelace@example.com"), "{guess}");
        }
    }

    #[test]
    fn words_of_ones_own_are_taken() {
        for good in [
            "vexing quokkas.",
            "seven green bicycles under water",
            "mein onkel isst gerne kreide",
            "x7$kQ!p0zV2@mR9w",
            "яблоко падает недалеко",
            "不要在雨天忘記帶上你那把舊雨傘",
            "the old lighthouse keeper snores",
        ] {
            assert!(!is_common(good, "ada.lovelace@example.com"), "{good}");
        }
    }
}
