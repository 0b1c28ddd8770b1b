// What a program in TypeScript would do with typed documents. It is checked, not run.
import type { TypedDocumentNode } from "@graphql-typed-document-node/core";

import { type FragmentType, graphql, readFragment } from "./gql";
import type { CreateTaskInput, TaskFilter, UserErrorCode } from "./gql/graphql";

/** Any client that knows typed documents. */
declare function run<Data, Variables>(
  document: TypedDocumentNode<Data, Variables>,
  variables: NoInfer<Variables>,
): Promise<Data>;

const Row = graphql(`
  fragment Row on Task {
    id
    title
    status
    priority
    dueAt
    version
    assignee {
      id
      name
    }
  }
`);

const Me = graphql(`
  query Me {
    viewer {
      eventCursor
      user {
        id
        name
        email
      }
    }
  }
`);

const Tasks = graphql(`
  query Tasks($first: Int, $after: String, $filter: TaskFilter, $orderBy: [TaskOrder!]) {
    tasks(first: $first, after: $after, filter: $filter, orderBy: $orderBy) {
      totalCount
      edges {
        cursor
        node {
          ...Row
        }
      }
      pageInfo {
        hasNextPage
        endCursor
      }
    }
  }
`);

const CreateTask = graphql(`
  mutation CreateTask($input: CreateTaskInput!) {
    createTask(input: $input) {
      task {
        ...Row
      }
      userErrors {
        code
        message
        field
      }
    }
  }
`);

const UpdateTask = graphql(`
  mutation UpdateTask($input: UpdateTaskInput!) {
    updateTask(input: $input) {
      task {
        ...Row
      }
      userErrors {
        code
      }
    }
  }
`);

const TaskAssigned = graphql(`
  subscription TaskAssigned($after: String) {
    taskAssigned(after: $after) {
      cursor
      assignedAt
      assignedBy {
        name
      }
      task {
        ...Row
      }
    }
  }
`);

const Anything = graphql(`
  query Anything($id: ID!) {
    node(id: $id) {
      id
      __typename
      ... on Task {
        title
      }
      ... on User {
        name
      }
      ... on Project {
        name
      }
      ... on Label {
        name
      }
      ... on Comment {
        body
      }
      ... on TaskChange {
        field
        from
        to
      }
    }
  }
`);

/** A row as a person reads it. */
function line(masked: FragmentType<typeof Row>): string {
  const row = readFragment(Row, masked);
  // null is a case the compiler insists on.
  const due: string | null | undefined = row.dueAt;
  const who: string = row.assignee?.name ?? "nobody";
  switch (row.status) {
    case "PENDING":
    case "IN_PROGRESS":
      return `${row.title} (${who}, ${due ?? "no date"})`;
    case "COMPLETED":
      return `${row.title}: done`;
  }
}

export async function screen(): Promise<string[]> {
  const { viewer } = await run(Me, {});
  const filter: TaskFilter = {
    assignee: { eq: viewer.user.id },
    status: { in: ["PENDING", "IN_PROGRESS"] },
    not: { dueAt: { isNull: true } },
  };
  const orderBy = [{ field: "PRIORITY", direction: "DESC" } as const];
  const { tasks } = await run(Tasks, { first: 50, filter, orderBy });
  const count: number = tasks.totalCount;
  return [`${count} tasks`, ...tasks.edges.map(({ node }) => line(node))];
}

export async function make(title: string): Promise<string> {
  // What has a default may be left out.
  const input: CreateTaskInput = { title };
  const { createTask } = await run(CreateTask, { input });
  const [error] = createTask.userErrors;
  if (error) {
    const code: UserErrorCode = error.code;
    return `${code} ${error.field?.join(".") ?? ""}: ${error.message}`;
  }
  return createTask.task ? line(createTask.task) : "nothing";
}

export async function clearDueDate(id: string): Promise<boolean> {
  const { updateTask } = await run(UpdateTask, { input: { id, dueAt: null } });
  return updateTask.userErrors.length === 0;
}

export async function listen(after: string): Promise<string> {
  const { taskAssigned } = await run(TaskAssigned, { after });
  const at: string = taskAssigned.assignedAt;
  return `${at} ${taskAssigned.assignedBy?.name ?? "?"} ${taskAssigned.task ? line(taskAssigned.task) : ""}`;
}

export async function name(id: string): Promise<string> {
  const { node } = await run(Anything, { id });
  switch (node?.__typename) {
    case "Task":
      return node.title;
    case "User":
      return node.name;
    case "Project":
      return node.name;
    case "Label":
      return node.name;
    case "Comment":
      return node.body;
    case "TaskChange":
      return `${node.field}: ${node.from ?? ""} → ${node.to ?? ""}`;
    case "Artist":
    case "Job":
    case "Session":
    case "Notification":
    case "Device":
    case "Webhook":
    case "WebhookDelivery":
      return node.__typename;
    case undefined:
      return "nothing";
  }
}

/** That the types are types: without each of these errors the check fails. */
export async function mistakes(): Promise<void> {
  // @ts-expect-error the title is required
  await run(CreateTask, { input: {} });
  // @ts-expect-error there is no such priority
  await run(CreateTask, { input: { title: "One", priority: "URGENT" } });
  // @ts-expect-error there is no such comparator
  await run(Tasks, { filter: { title: { like: "one" } } });
  // @ts-expect-error the id is required
  await run(Anything, {});
  const { createTask } = await run(CreateTask, { input: { title: "One" } });
  // @ts-expect-error the fields of a fragment are read through the fragment
  void createTask.task?.title;
  const { viewer } = await run(Me, {});
  // @ts-expect-error it was not asked for
  void viewer.user.createdAt;
  // @ts-expect-error the address may be missing
  viewer.user.email.length;
}
