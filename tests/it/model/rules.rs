//! The rules in their shortest form: no databases, no moments, only who is what to which task.

/// How many people there are: an administrator, the owner of the project, and others.
pub const PEOPLE: usize = 5;
pub const ADMIN: usize = 0;
pub const OWNER: usize = 1;

/// What somebody does. People and tasks by their places; a task may not be there.
#[derive(Clone, Debug)]
pub enum Step {
    Create {
        by: usize,
        in_project: bool,
        assignee: Option<usize>,
        parent: Option<usize>,
    },
    /// With the right version, a wrong one, or none.
    Update {
        by: usize,
        task: usize,
        title: u8,
        is_current: Option<bool>,
    },
    Status {
        by: usize,
        task: usize,
        status: u8,
    },
    Assign {
        by: usize,
        task: usize,
        to: usize,
    },
    Unassign {
        by: usize,
        task: usize,
    },
    Move {
        by: usize,
        task: usize,
        parent: Option<usize>,
    },
    Enable {
        by: usize,
        task: usize,
        enabled: bool,
    },
    Delete {
        by: usize,
        task: usize,
        deleted: bool,
    },
    Comment {
        by: usize,
        task: usize,
    },
    UpdateAll {
        by: usize,
        tasks: Vec<usize>,
        is_current: bool,
    },
    /// The owner makes somebody a viewer, commenter or editor, or removes them.
    Member {
        who: usize,
        role: Option<u8>,
    },
}

#[derive(Clone, Debug)]
pub struct Task {
    pub title: u8,
    pub status: u8,
    pub is_high: bool,
    pub enabled: bool,
    pub deleted: bool,
    pub version: i32,
    pub number: Option<i32>,
    pub creator: usize,
    pub assignee: Option<usize>,
    pub parent: Option<usize>,
    pub comments: usize,
}

#[derive(Clone, Debug, Default)]
pub struct Model {
    pub tasks: Vec<Task>,
    roles: [Option<u8>; PEOPLE],
    last_number: i32,
    /// As it was before the last step.
    before: Option<Box<Model>>,
}

const VIEWER: u8 = 0;
const COMMENTER: u8 = 1;
const EDITOR: u8 = 2;
const IS_OWNER: u8 = 3;

type Outcome = Result<(), &'static str>;

impl Model {
    /// Does a step; answers what comes of it.
    pub fn apply(&mut self, step: &Step) -> String {
        self.before = None;
        let mut next = self.clone();
        let outcome = next.step(step);
        let before = self.clone();
        if outcome.is_ok() {
            *self = next;
        }
        self.before = Some(Box::new(before));
        outcome.err().unwrap_or("DONE").to_owned()
    }

    pub fn version_before(&self, task: usize) -> i32 {
        let before = self.before.as_ref().and_then(|model| model.tasks.get(task));
        before.map_or(1, |task| task.version)
    }

    pub fn was_member(&self, who: usize) -> bool {
        let before = self.before.as_ref();
        before.is_some_and(|model| model.roles[who].is_some())
    }

    fn role(&self, who: usize) -> Option<u8> {
        if who == OWNER {
            Some(IS_OWNER)
        } else {
            self.roles[who]
        }
    }

    fn may(&self, who: usize, at: usize, role: u8, assignee: bool) -> bool {
        let Some(task) = self.tasks.get(at) else {
            return false;
        };
        who == ADMIN
            || (assignee && task.assignee == Some(who))
            || match task.number {
                None => task.creator == who,
                Some(_) => self.role(who).is_some_and(|has| has >= role),
            }
    }

    /// Whether somebody sees a task.
    pub fn sees(&self, who: usize, at: usize) -> bool {
        self.tasks.get(at).is_some_and(|task| !task.deleted) && self.may(who, at, VIEWER, true)
    }

    pub fn may_edit(&self, who: usize, at: usize) -> bool {
        self.may(who, at, EDITOR, true)
    }

    pub fn may_delete(&self, who: usize, at: usize) -> bool {
        self.may(who, at, EDITOR, false)
    }

    pub fn may_comment(&self, who: usize, at: usize) -> bool {
        self.may(who, at, COMMENTER, true)
    }

    fn visible(&self, who: usize, at: usize) -> Outcome {
        if self.sees(who, at) {
            Ok(())
        } else {
            Err("NOT_FOUND")
        }
    }

    fn editable(&self, who: usize, at: usize) -> Outcome {
        self.visible(who, at)?;
        if self.may_edit(who, at) {
            Ok(())
        } else {
            Err("FORBIDDEN")
        }
    }

    fn enabled(&self, at: usize) -> Outcome {
        if self.tasks[at].enabled {
            Ok(())
        } else {
            Err("DISABLED")
        }
    }

    /// Whether a task, or a new one, may become a part of another.
    fn may_join(&self, who: usize, part: Option<usize>, in_project: bool, whole: usize) -> Outcome {
        self.editable(who, whole)?;
        self.enabled(whole)?;
        if self.tasks[whole].number.is_some() != in_project {
            return Err("INVALID");
        }
        let mut above = Some(whole);
        while let Some(at) = above {
            if part == Some(at) {
                return Err("INVALID");
            }
            above = self.tasks[at].parent;
        }
        Ok(())
    }

    fn change(&mut self, at: usize, change: impl FnOnce(&mut Task)) {
        let task = &mut self.tasks[at];
        let before = (
            task.title,
            task.status,
            task.is_high,
            task.enabled,
            task.deleted,
            task.assignee,
            task.parent,
        );
        change(task);
        let after = (
            task.title,
            task.status,
            task.is_high,
            task.enabled,
            task.deleted,
            task.assignee,
            task.parent,
        );
        task.version += i32::from(before != after);
    }

    /// Changes a task that takes no change while it is disabled.
    fn set(&mut self, at: usize, change: impl FnOnce(&mut Task)) -> Outcome {
        let version = self.tasks[at].version;
        self.change(at, change);
        if self.tasks[at].version == version {
            return Ok(());
        }
        self.enabled(at)
    }

    fn step(&mut self, step: &Step) -> Outcome {
        match step {
            Step::Create {
                by,
                in_project,
                assignee,
                parent,
            } => self.create(*by, *in_project, *assignee, *parent),
            Step::Update {
                by,
                task,
                title,
                is_current,
            } => {
                self.editable(*by, *task)?;
                if *is_current == Some(false) {
                    return Err("CONFLICT");
                }
                self.set(*task, |task| task.title = *title)
            }
            Step::Status { by, task, status } => {
                self.editable(*by, *task)?;
                self.set(*task, |task| task.status = *status)
            }
            Step::Assign { by, task, to } => {
                self.editable(*by, *task)?;
                self.enabled(*task)?;
                self.change(*task, |task| task.assignee = Some(*to));
                Ok(())
            }
            Step::Unassign { by, task } => {
                self.editable(*by, *task)?;
                self.enabled(*task)?;
                self.change(*task, |task| task.assignee = None);
                Ok(())
            }
            Step::Move { by, task, parent } => {
                self.editable(*by, *task)?;
                if let Some(parent) = parent.filter(|_| self.tasks[*task].parent != *parent) {
                    self.editable(*by, parent)?;
                    self.enabled(*task)?;
                    let in_project = self.tasks[*task].number.is_some();
                    self.may_join(*by, Some(*task), in_project, parent)?;
                }
                self.set(*task, |task| task.parent = *parent)
            }
            Step::Enable { by, task, enabled } => {
                self.editable(*by, *task)?;
                self.change(*task, |task| task.enabled = *enabled);
                Ok(())
            }
            Step::Delete { by, task, deleted } => self.delete(*by, *task, *deleted),
            Step::Comment { by, task } => {
                self.visible(*by, *task)?;
                if !self.may_comment(*by, *task) {
                    return Err("FORBIDDEN");
                }
                self.enabled(*task)?;
                self.tasks[*task].comments += 1;
                Ok(())
            }
            Step::UpdateAll {
                by,
                tasks,
                is_current,
            } => self.update_all(*by, tasks, *is_current),
            Step::Member { who, role } => {
                self.roles[*who] = *role;
                Ok(())
            }
        }
    }

    fn create(
        &mut self,
        by: usize,
        in_project: bool,
        assignee: Option<usize>,
        parent: Option<usize>,
    ) -> Outcome {
        if in_project && by != ADMIN {
            match self.role(by) {
                None => return Err("NOT_FOUND"),
                Some(role) if role < EDITOR => return Err("FORBIDDEN"),
                Some(_) => {}
            }
        }
        if let Some(parent) = parent {
            self.may_join(by, None, in_project, parent)?;
        }
        self.last_number += i32::from(in_project);
        self.tasks.push(Task {
            title: 0,
            status: 0,
            is_high: false,
            enabled: true,
            deleted: false,
            version: 1,
            number: in_project.then_some(self.last_number),
            creator: by,
            assignee,
            parent,
            comments: 0,
        });
        Ok(())
    }

    fn delete(&mut self, by: usize, at: usize, deleted: bool) -> Outcome {
        let Some(task) = self.tasks.get(at) else {
            return Err("NOT_FOUND");
        };
        if task.deleted && deleted || !self.may(by, at, VIEWER, true) {
            return Err("NOT_FOUND");
        }
        if !self.may_delete(by, at) {
            return Err("FORBIDDEN");
        }
        self.change(at, |task| task.deleted = deleted);
        Ok(())
    }

    /// All or nothing; the first problem in the order of severity is told.
    fn update_all(&mut self, by: usize, tasks: &[usize], is_current: bool) -> Outcome {
        let twice = (0..tasks.len()).any(|at| tasks[..at].contains(&tasks[at]));
        if twice {
            return Err("INVALID");
        }
        for at in tasks {
            self.editable(by, *at)?;
        }
        if !is_current {
            return Err("CONFLICT");
        }
        for at in tasks {
            self.set(*at, |task| task.is_high = true)?;
        }
        Ok(())
    }
}
