import { writeFileSync } from "node:fs";
import { eventSchemaFile, eventSchemaText } from "./event-schema.ts";

writeFileSync(eventSchemaFile, eventSchemaText());
