//! One go: what was asked for is made, measured and reported.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::args::Wanted;
use crate::cases::{Case, Compared, cases, contestants};
use crate::growth::{Axis, Grown, Point, axes};
use crate::inputs::{Made, Workshop};
use crate::machine::Machine;
use crate::overhead::{self, Cost, jobs};
use crate::report::{Results, Skipped};
use crate::rounds::{Contestant, Outcome, Rounds, Standing, compete};
use crate::run::{Runner, Task};
use crate::tools::{Stacks, Tool, Tools};
use crate::{BenchError, Figures};

/// A tool that has run for longer than this at one core is not measured again.
const PATIENCE: Duration = Duration::from_secs(60);

/// What one go works with.
pub struct Session<'a> {
    wanted: &'a Wanted,
    tools: Tools,
    workshop: Workshop,
    runner: Runner,
    /// What tools make is put here.
    made: PathBuf,
    progress: &'a mut dyn Write,
    results: Results,
}

impl std::fmt::Debug for Session<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Session").field("wanted", self.wanted).finish_non_exhaustive()
    }
}

impl<'a> Session<'a> {
    /// Finds the tools and makes the folders; how far it is goes to `progress`.
    ///
    /// # Errors
    /// When there is no epitaph, or a folder can't be made.
    pub fn new(wanted: &'a Wanted, progress: &'a mut dyn Write) -> Result<Session<'a>, BenchError> {
        let epitaph =
            wanted.epitaph.canonicalize().map_err(|_| BenchError::NoEpitaph(wanted.epitaph.clone()))?;
        let tools = Tools::find(&epitaph, &wanted.folder.join("bin"));
        let workshop = Workshop::new(&wanted.folder.join("inputs"))?;
        let work = wanted.folder.join("work");
        let launcher = std::env::current_exe().map_err(BenchError::io("finding this program"))?;
        let runner = Runner::new(launcher, &work, wanted.limit)?;
        let made = runner.folder().to_owned();
        let machine = Machine::here(&tools);
        let results = Results {
            machine,
            compared: Vec::new(),
            grown: Vec::new(),
            costs: Vec::new(),
            skipped: Vec::new(),
        };
        Ok(Session { wanted, tools, workshop, runner, made, progress, results })
    }

    /// Lets the tools take turns at every core that is wanted.
    ///
    /// # Errors
    /// When something fails that is neither an input's nor a tool's fault.
    pub fn compare(mut self) -> Result<Results, BenchError> {
        let cases = self.wanted(cases(), |case| case.name)?;
        for case in cases {
            if case.heavy && self.wanted.quick && self.wanted.only.is_empty() {
                self.skip(case.name, "left out of a quick comparison".to_owned());
                continue;
            }
            self.say(&format!("{}: ", case.name));
            match self.workshop.make(&case.input) {
                Ok(made) => self.compare_at(&case, &made)?,
                Err(error) => self.skip(case.name, error.to_string()),
            }
            self.say("\n");
        }
        Ok(self.results)
    }

    fn compare_at(&mut self, case: &Case, made: &Made) -> Result<(), BenchError> {
        let contestants = contestants(case, &self.tools, made, &self.made);
        let standings = self.measure(&contestants)?;
        let goals = case.goals.iter().map(|goal| goal.judge(made.size, &standings)).collect();
        self.results.compared.push(Compared {
            name: case.name,
            title: case.title,
            work: case.work,
            core_size: made.size,
            standings,
            goals,
        });
        Ok(())
    }

    /// Measures epitaph on every series that is wanted.
    ///
    /// # Errors
    /// When something fails that is neither an input's nor epitaph's fault.
    pub fn growth(mut self) -> Result<Results, BenchError> {
        for mut axis in self.wanted(axes(), |axis| axis.name)? {
            if self.wanted.quick {
                axis.inputs.pop();
            }
            self.say(&format!("{}: ", axis.name));
            let mut points = Vec::new();
            for (units, input) in &axis.inputs {
                let figures = match self.workshop.make(input) {
                    Ok(made) => self.measure_ours(&axis, &made)?,
                    Err(error) => Err(error.to_string()),
                };
                match figures {
                    Ok(figures) => points.push(Point { units: *units, figures }),
                    Err(why) => self.skip(&format!("{} ({units})", axis.name), why),
                }
            }
            self.results.grown.push(Grown::new(&axis, points));
            self.say("\n");
        }
        Ok(self.results)
    }

    /// Returns where and with what is measured.
    pub fn machine(&self) -> &Machine {
        &self.results.machine
    }

    /// Measures what `epitaph run` costs every command that is wanted, in each way that it can get cores here; each cost is
    /// `told` as soon as it is known.
    ///
    /// # Errors
    /// When something fails that is neither a command's nor epitaph's fault, or what cannot be told.
    pub fn overhead(
        mut self,
        mut told: impl FnMut(&Cost) -> Result<(), BenchError>,
    ) -> Result<Results, BenchError> {
        let epitaph = self.tools.program(Tool::Epitaph).map(Path::to_owned).unwrap_or_default();
        for job in self.wanted(jobs(), |job| job.name)? {
            for way in job.ways {
                let name = format!("{} ({})", job.name, way.name());
                self.say(&format!("{name}: "));
                match overhead::measure(&self.runner, &epitaph, &job, *way, self.wanted.rounds)? {
                    Ok(cost) => {
                        self.say("done\n");
                        told(&cost)?;
                        self.results.costs.push(cost);
                    }
                    Err(why) => {
                        self.skip(&name, why);
                        self.say("\n");
                    }
                }
            }
        }
        Ok(self.results)
    }

    fn measure_ours(&mut self, axis: &Axis, made: &Made) -> Result<Result<Figures, String>, BenchError> {
        let mut arguments = Tool::Epitaph.arguments(made, Stacks::All);
        arguments.extend(axis.options.iter().map(Into::into));
        let program = self.tools.program(Tool::Epitaph).map(Path::to_owned);
        let contestant = Contestant {
            tool: Tool::Epitaph,
            task: program.map(|program| Task { program, arguments, ..Task::default() }),
            says: axis.says,
            proof: None,
        };
        let standings = self.measure(&[contestant])?;
        Ok(match standings.into_iter().next().map(|standing| standing.outcome) {
            Some(Outcome::Measured(figures)) => Ok(figures),
            Some(Outcome::Failed(why)) => Err(why),
            other => Err(format!("{other:?}")),
        })
    }

    fn measure(&mut self, contestants: &[Contestant]) -> Result<Vec<Standing>, BenchError> {
        let rounds = Rounds { count: self.wanted.rounds, patience: PATIENCE };
        compete(&self.runner, contestants, rounds, self.progress)
    }

    /// Returns those that were asked for, all where none was.
    fn wanted<T>(&self, all: Vec<T>, name: fn(&T) -> &'static str) -> Result<Vec<T>, BenchError> {
        let only = &self.wanted.only;
        if let Some(asked) = only.iter().find(|asked| !all.iter().any(|one| name(one) == *asked)) {
            let known = all.iter().map(name).collect::<Vec<_>>().join(", ");
            return Err(BenchError::NoCase { asked: asked.clone(), known });
        }
        let wanted = |one: &T| only.is_empty() || only.iter().any(|asked| asked == name(one));
        Ok(all.into_iter().filter(wanted).collect())
    }

    fn skip(&mut self, name: &str, why: String) {
        self.say(&format!("skipped: {why}"));
        self.results.skipped.push(Skipped { name: name.to_owned(), why });
    }

    /// Progress is for those who watch; nobody has to.
    fn say(&mut self, text: &str) {
        let _unseen = self.progress.write_all(text.as_bytes());
        let _unseen = self.progress.flush();
    }
}
