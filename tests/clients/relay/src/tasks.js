// What a screen of tasks would ask for, written for Relay. It is compiled, not run.
import { graphql } from "react-relay";

/** The screen: a list in pages, and whose screen it is. */
export const screen = graphql`
  query tasksScreenQuery($count: Int!, $filter: TaskFilter, $orderBy: [TaskOrder!]) {
    viewer {
      eventCursor
      user {
        ...tasks_person
      }
    }
    ...tasks_list @arguments(count: $count, filter: $filter, orderBy: $orderBy)
  }
`;

/** The list reads its next page with a query that the compiler makes. */
export const list = graphql`
  fragment tasks_list on Query
  @argumentDefinitions(
    count: { type: "Int", defaultValue: 20 }
    after: { type: "String" }
    filter: { type: "TaskFilter" }
    orderBy: { type: "[TaskOrder!]" }
  )
  @refetchable(queryName: "tasksNextPageQuery") {
    tasks(first: $count, after: $after, filter: $filter, orderBy: $orderBy)
      @connection(key: "tasks_list_tasks", filters: ["filter", "orderBy"]) {
      totalCount
      edges {
        node {
          ...tasks_row
        }
      }
    }
  }
`;

/** A row is read anew by its id, with a query that the compiler makes. */
export const row = graphql`
  fragment tasks_row on Task
  @argumentDefinitions(withCreator: { type: "Boolean", defaultValue: false })
  @refetchable(queryName: "tasksRowQuery") {
    title
    status
    priority
    dueAt
    version
    assignee {
      ...tasks_person
    }
    creator @include(if: $withCreator) {
      ...tasks_person
    }
  }
`;

/** So is a person. */
export const person = graphql`
  fragment tasks_person on User @refetchable(queryName: "tasksPersonQuery") {
    name
  }
`;

/** One task on a page of its own, found as anything with an id is. */
export const page = graphql`
  query tasksPageQuery($id: ID!) {
    node(id: $id) {
      __typename
      ...tasks_row @arguments(withCreator: true) @alias(as: "task")
    }
  }
`;

export const create = graphql`
  mutation tasksCreateMutation($input: CreateTaskInput!, $connections: [ID!]!) {
    createTask(input: $input) {
      task @prependNode(connections: $connections, edgeTypeName: "TaskEdge") {
        ...tasks_row
      }
      userErrors {
        code
        field
        message
      }
    }
  }
`;

export const remove = graphql`
  mutation tasksDeleteMutation($input: DeleteTaskInput!, $connections: [ID!]!) {
    deleteTask(input: $input) {
      deletedTaskId @deleteRecord @deleteEdge(connections: $connections)
      userErrors {
        message
      }
    }
  }
`;

export const assigned = graphql`
  subscription tasksAssignedSubscription($after: String) {
    taskAssigned(after: $after) {
      cursor
      task {
        ...tasks_row
      }
    }
  }
`;
