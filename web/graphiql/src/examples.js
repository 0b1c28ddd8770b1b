// The tabs people find when they open the page for the first time. They run as
// they stand, in this order.
const PASSWORD = "Correct-Horse-7-Battery";
const as = (user) => JSON.stringify({ Authorization: `Bearer {{${user}.token}}` }, null, 2);
const json = (value) => JSON.stringify(value, null, 2);

const register = (operation, comment, email, username, name) => `${comment}

mutation ${operation} {
  register(
    input: {
      email: "${email}"
      username: "${username}"
      password: "${PASSWORD}"
      name: "${name}"
    }
  ) {
    accessToken
    accessTokenExpiresAt
    refreshToken
    user {
      id
      username
      name
    }
    userErrors {
      code
      message
      field
    }
  }
}
`;

const logIn = (operation, username) => `mutation ${operation} {
  login(
    input: {
      identifier: "${username}"
      password: "${PASSWORD}"
    }
  ) {
    accessToken
    refreshToken
    user {
      id
      username
      name
    }
    userErrors {
      code
      message
      field
    }
  }
}
`;

export const examples = [
  {
    query: register(
      "RegisterAda",
      `# 1 · Register Ada
# Press the play button. Then look at the
# line below the answer: this page now knows
# {{ada.token}} and {{ada.id}} and fills
# them in in the other tabs. Is the name
# taken already? Then go on with tab 3.`,
      "ada@example.org",
      "ada",
      "Ada Lovelace",
    ),
  },
  {
    query: register(
      "RegisterBob",
      `# 2 · Register Bob
# The second person: Ada will give Bob a
# task. Is the name taken already? Then go
# on with tab 3.`,
      "bob@example.org",
      "bob",
      "Bob Hopper",
    ),
  },
  {
    query: `# 3 · Log in
# Only needed if tab 1 or 2 said "taken", or
# if a token has expired. The play button
# asks which of the two to run: run both,
# one after the other.

${logIn("LogInAsAda", "ada")}
${logIn("LogInAsBob", "bob")}`,
  },
  {
    query: `# 4 · Wait for tasks, as Bob
# Run this as Bob (see Headers) and leave it
# running. Then run tabs 5 and 6 and come
# back: the task is here, without asking
# again. The mail is at /mailbox

subscription TaskAssigned {
  taskAssigned {
    cursor
    assignedAt
    assignedBy {
      name
    }
    task {
      id
      title
      status
      priority
      dueAt
      creator {
        name
      }
      assignee {
        name
      }
    }
  }
}
`,
    headers: as("bob"),
  },
  {
    query: `# 5 · Create a task, as Ada
# Change the title under Variables if you
# like. The new task is {{task.id}} from now
# on. Nobody has to do it yet: assignee is
# null.

mutation CreateTask($input: CreateTaskInput!) {
  createTask(input: $input) {
    task {
      id
      title
      status
      priority
      version
      assignee {
        name
      }
    }
    userErrors {
      code
      message
      field
    }
  }
}
`,
    variables: json({
      input: {
        title: "Write the release notes",
        description: "Two paragraphs, for people.",
        priority: "HIGH",
      },
    }),
    headers: as("ada"),
  },
  {
    query: `# 6 · Give the task to Bob, as Ada
# Run it, then look at tab 4 (if you left it
# running) and at Bob's mail at /mailbox

mutation AssignTask($input: AssignTaskInput!) {
  assignTask(input: $input) {
    task {
      id
      title
      version
      assignee {
        id
        name
      }
    }
    userErrors {
      code
      message
      field
    }
  }
}
`,
    variables: json({ input: { taskId: "{{task.id}}", assigneeId: "{{bob.id}}" } }),
    headers: as("ada"),
  },
  {
    query: `# 7 · Bob's tasks
# The tasks Bob may see. Put {{ada.token}}
# under Headers to see Ada's instead.

query MyTasks {
  viewer {
    user {
      id
      name
      email
    }
    eventCursor
  }
  tasks(first: 10) {
    nodes {
      id
      title
      status
      priority
      assignee {
        name
      }
      creator {
        name
      }
    }
    pageInfo {
      hasNextPage
      endCursor
    }
    totalCount
  }
}
`,
    headers: as("bob"),
  },
].map(({ query, variables = "", headers = "" }) => ({ query, variables, headers }));
