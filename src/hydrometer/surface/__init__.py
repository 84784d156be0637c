"""What stands around the weights: tokenizer, chat template, settings, recipe, licence, and the chain of bases."""
