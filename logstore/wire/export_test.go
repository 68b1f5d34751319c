package wire

// SendRaw sends bytes as they are, with no frame made round them.
func (c *Conn) SendRaw(b []byte) error {
	_, err := c.out.c.Write(b)
	return err
}
