"""What a person is told: the sentence, the source's words, causes, advice, and the languages."""
