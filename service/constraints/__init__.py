"""What an answer must look like, held to token by token: schemas, expressions, grammars."""
