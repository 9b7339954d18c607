/** Everything a contract's file needs, under one name. */

export * from "./calls.js";
export * from "./kinds.js";
export * from "./refusals.js";
export { Wire } from "./wire.js";
