import { defineErrors } from '@polyanthus/ground-base/errors';

export const yamlErrors = defineErrors({
  YamlInvalid: {
    meaning: 'A text is not valid YAML, or has a value that JSON cannot carry.',
    next: 'Correct the text at the line and column of the message.',
  },
  YamlTooLarge: {
    meaning: 'A YAML text is larger, deeper or expands further than is read.',
    next: 'Split the text, or write out what it repeats by aliases.',
  },
});
