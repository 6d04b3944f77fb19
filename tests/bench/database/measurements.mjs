// All measurements of `./run bench database`. Each has `notes`, perhaps `configs`, and `sections(mode)`: a title,
// figures, and columns, which are functions of a cluster and an installation that measure once and give an object of
// figures. `alone`: the columns that have nothing of pgevents; `flush`: which cluster (flushes.mjs); `rounds`: the
// maximum.
import { bulk } from './bulk.mjs';
import { catchUp } from './catch_up.mjs';
import { commits, groupCommit } from './commits.mjs';
import { delays } from './delays.mjs';
import { publicationsOverHttp } from './http.mjs';
import { columnsFor } from './installations.mjs';
import { listeners } from './listeners.mjs';
import { pruning } from './pruning.mjs';
import { size } from './size.mjs';
import { wakeUp } from './wake_up.mjs';

export const kMeasurements = {
  commits, 'group-commit': groupCommit, 'wake-up': wakeUp, listeners, delays, bulk, http: publicationsOverHttp,
  'catch-up': catchUp, size, pruning,
};

// The titles of the figures are their keys in a run's result.
export const sectionsOf = (name, mode, installations) => kMeasurements[name].sections(mode).map((section) => ({
  ...section,
  name,
  columns: columnsFor(section, installations),
  figures: section.figures.map((figure) => ({ ...figure, of: (result) => result[figure.title] })),
  results: {},
}));
