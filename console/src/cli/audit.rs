//! `admin audit`: who did what, whether that is what was written down at the time, and all of it as JSON lines.
//!
//! The server reads the chain again and says whether it is intact; that its end was not cut off, only a head can
//! show that was kept elsewhere. It must not leave half an export behind, nor one that others can read.
//!
//! Read next: [`cordboard_core::api::AuditVerdict`].

use std::{
    fs::File,
    io::{self, BufWriter, Write},
    path::{Path, PathBuf},
};

use cordboard_core::api::{AuditLine, AuditVerdict};
use serde_json::{Map, Value, json};
use tempfile::NamedTempFile;

use super::{Failure, Out, args::AuditArgs, house::names, show, write_json};
use crate::client::Client;

/// How many lines are asked for at once.
const PAGE: u32 = 1_000;

/// Does what is wanted of the audit.
pub(super) async fn audit(
    client: &Client,
    args: AuditArgs,
    out: &mut Out<'_>,
) -> Result<(), Failure> {
    if !args.verify && args.head.is_none() && args.export.is_none() {
        return show(client, &args, out).await;
    }
    let verdict = if args.verify || args.head.is_some() {
        Some(client.audit_verdict().await?)
    } else {
        None
    };
    let streams = args.export.as_deref() == Some(Path::new("-"));
    let mut found = None;
    let mut lines = 0_u64;
    if args.export.is_some() || args.head.is_some() {
        let mut file = match args.export.as_deref() {
            Some(path) if !streams => Some(Export::begin(path)?),
            _ => None,
        };
        every_line(client, |line| {
            if let (Some(place), Some(hash)) = (line.place, &line.hash)
                && args
                    .head
                    .as_ref()
                    .is_some_and(|h| h.eq_ignore_ascii_case(hash))
            {
                found = Some(place);
            }
            lines += 1;
            match &mut file {
                Some(file) => file.line(line),
                None if streams => Ok(out.json(line)?),
                None => Ok(()),
            }
        })
        .await?;
        if let Some(file) = file {
            file.end()?;
        }
    }
    let report = Report {
        verdict,
        head: args.head,
        found,
        export: args.export.filter(|_| !streams),
        lines,
    };
    report.say(streams, out)
}

async fn show(client: &Client, args: &AuditArgs, out: &mut Out<'_>) -> Result<(), Failure> {
    let page = client.audit(!args.oldest, args.after, args.limit).await?;
    let mut lines = show::house::audit(&page.lines, &names(client, out).await);
    if let Some(next) = page.next {
        let oldest = if args.oldest { " --oldest" } else { "" };
        lines.push(format!(
            "There is more: cordboard admin audit{oldest} --after {next}"
        ));
    }
    Ok(out.say(&page, lines)?)
}

/// Reads the audit from its beginning to its end.
async fn every_line(
    client: &Client,
    mut each: impl FnMut(&AuditLine) -> Result<(), Failure>,
) -> Result<(), Failure> {
    let mut after = None;
    loop {
        let page = client.audit(false, after, PAGE).await?;
        page.lines.iter().try_for_each(&mut each)?;
        match page.next {
            Some(next) if after.is_none_or(|a| a < next) => after = Some(next),
            Some(_) => {
                let why = "The server's pages of the audit go back. Are it and this program of the same version?";
                return Err(Failure::refused("garbled", why));
            }
            None => return Ok(()),
        }
    }
}

/// A file of JSON lines that appears when it is whole, and that only its owner can read.
struct Export {
    file: BufWriter<NamedTempFile>,
    path: PathBuf,
}

impl Export {
    fn begin(path: &Path) -> Result<Self, Failure> {
        let folder = path.parent().filter(|p| !p.as_os_str().is_empty());
        // 0600 from the first moment, as `tempfile` makes its files.
        let file = tempfile::Builder::new()
            .prefix(".audit")
            .tempfile_in(folder.unwrap_or(Path::new(".")))
            .map_err(|e| cannot(path, &e))?;
        Ok(Self {
            file: BufWriter::new(file),
            path: path.to_owned(),
        })
    }

    fn line(&mut self, line: &AuditLine) -> Result<(), Failure> {
        write_json(&mut self.file, line).map_err(|e| cannot(&self.path, &e))
    }

    fn end(self) -> Result<(), Failure> {
        let Self { mut file, path } = self;
        let done = || -> io::Result<()> {
            file.flush()?;
            let file = file.into_inner().map_err(io::IntoInnerError::into_error)?;
            File::sync_all(file.as_file())?;
            file.persist(&path).map_err(|e| e.error)?;
            Ok(())
        };
        done().map_err(|e| cannot(&path, &e))
    }
}

fn cannot(path: &Path, why: &io::Error) -> Failure {
    Failure::refused(
        "io",
        format!("{} cannot be written: {why}.", path.display()),
    )
}

/// What came of it.
struct Report {
    verdict: Option<AuditVerdict>,
    /// The head that was kept, and where it is in the chain now.
    head: Option<String>,
    found: Option<u64>,
    export: Option<PathBuf>,
    lines: u64,
}

impl Report {
    fn say(&self, streams: bool, out: &mut Out<'_>) -> Result<(), Failure> {
        let document = self.document();
        if let Some(failure) = self.wrong() {
            return Err(Failure {
                more: document,
                ..failure
            });
        }
        if streams {
            // Standard output is the export's.
            for line in self.text().iter().filter(|_| self.verdict.is_some()) {
                let _ = writeln!(out.err, "{}", show::plain(line));
            }
            return Ok(());
        }
        Ok(out.say(&document, self.text())?)
    }

    fn wrong(&self) -> Option<Failure> {
        let verdict = self.verdict.as_ref()?;
        if !verdict.intact {
            let why = verdict.fault.as_deref().unwrap_or("nobody can say where");
            let why = format!("The audit is not what was written: {why}");
            return Some(Failure::refused("not-intact", why));
        }
        let kept = self.head.as_ref()?;
        if self.found.is_none() {
            let why = format!(
                "The head {kept} is not in the chain any more: lines at its end were cut off since, or it is from another audit."
            );
            return Some(Failure::refused("unknown-head", why));
        }
        None
    }

    fn document(&self) -> Map<String, Value> {
        let mut document = match self.verdict.as_ref().map(serde_json::to_value) {
            Some(Ok(Value::Object(fields))) => fields,
            _ => Map::new(),
        };
        if self.head.is_some() {
            document.insert("head_place".to_owned(), json!(self.found));
        }
        if let Some(file) = &self.export {
            document.insert("file".to_owned(), json!(file));
            document.insert("lines".to_owned(), json!(self.lines));
        }
        document
    }

    fn text(&self) -> Vec<String> {
        let mut text = Vec::new();
        if let Some(verdict) = &self.verdict {
            text.push(format!(
                "Intact: {} lines are sealed; {} are too new to be.",
                verdict.sealed, verdict.unsealed
            ));
            if let Some(place) = self.found {
                let since = verdict.sealed.saturating_sub(place);
                text.push(format!(
                    "The head that was kept is at place {place}; {since} lines have come since."
                ));
            }
            if let Some(head) = &verdict.head {
                text.push(format!("Head: {head}"));
            }
        }
        if let Some(file) = &self.export {
            text.push(format!("{} lines are in {}.", self.lines, file.display()));
        }
        text
    }
}
