namespace RagPlatform.EmbeddingService.Providers.Local;

/// <summary>A model's folder cannot be used; the message says what is wrong with which file, in one line.</summary>
internal sealed class ModelFolderException(string message, Exception? inner = null) : Exception(message, inner);
